"""Stores beside S3: over local files, and in memory. Tests hold all of them, and S3, to one behaviour."""
