"""How the function is deployed and run: the embedded cloud for a laptop, the demo, packaging, the benchmark."""
