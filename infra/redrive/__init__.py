"""Sends dead letters of every kind back to where they are scored."""
