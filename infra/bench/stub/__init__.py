"""Stands for S3 in the benchmark: a process of its own, which answers after a delay that is set."""
