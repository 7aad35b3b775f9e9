"""Runs the function without AWS: in an embedded cloud, under AWS's own emulator, and through `sam local`."""
