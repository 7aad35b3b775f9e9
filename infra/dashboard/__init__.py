"""Defines the dashboard of CloudWatch and the alarm on drift, writes both into template.yaml, and draws docs/dashboard.png."""
