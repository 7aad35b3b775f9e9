"""Measures the figures of speed and memory that the README states."""
