"""Scores images that S3 stores, and writes the predictions back. Imports nothing of training/ or infra/, and no TensorFlow."""
