"""Holds one page for each model that ships, with its steps from data to artifact and its measured figures."""
