"""The benchmark: it measures the figures that the README states."""
