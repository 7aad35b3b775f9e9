"""Makes the artifact: data in, `model.tflite` and `manifest.json` out. Never deployed.

Of the handler it knows the contract and the model that serves the artifact, and nothing else.
"""
