"""Finds, reads, divides and augments labelled images."""
