"""Measures the figures of speed and memory that docs/performance.md states."""
