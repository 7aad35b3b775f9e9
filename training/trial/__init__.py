"""Tries a model on changed images and on images of other things, by the documents that the function writes of them."""
