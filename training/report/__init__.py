"""Draws pictures for people: of the data, of a model, and of how a model sees pictures."""
