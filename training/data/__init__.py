"""Labelled images: where they are found, how they are read, divided and augmented."""
