"""Defines the dashboard of CloudWatch and the alarm on drift, writes both into template.yaml, draws the one, and reads it."""
