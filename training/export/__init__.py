"""Trained networks become artifacts: converted, quantised, calibrated, measured and described."""
