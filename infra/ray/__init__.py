"""Scores objects over a cluster of Ray, without AWS, into the rows of the function; `docs/ray.md` shows how."""
