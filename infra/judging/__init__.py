"""Judges predictions: by the labels of people, and against other predictions of the same images."""
