"""Scores objects over a cluster of Ray, without AWS: the rows are the function's. `docs/ray.md` shows how to run and change it."""
