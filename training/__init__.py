"""Makes the artifact, `model.tflite` and `manifest.json`, of labelled images. It is never deployed.

Of the handler it imports the contract, the conversion of pictures and the model that serves the artifact, and nothing else.
"""
