"""Simulates the deployed stack, from the template's parameters, measured times and AWS's limits: docs/scale.md shows it."""
