"""Explains what the function makes of objects: what it recognises, what its model sees, and why an object is rejected."""
