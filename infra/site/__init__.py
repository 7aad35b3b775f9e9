"""Builds the documentation site out of the repository's own pages, and finds the links in it that lead nowhere."""
