"""Tells what is packaged, under which licences, and what is known to be wrong with what is locked."""
