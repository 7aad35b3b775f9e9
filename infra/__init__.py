"""Runs, measures and packages the function outside Lambda; `infra.__main__` is the command line of this room."""
