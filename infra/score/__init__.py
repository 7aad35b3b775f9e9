"""Scores files, folders, archives and S3 objects from this machine, with the code that runs in Lambda."""
