"""The clouds that the function runs in without AWS: the embedded cloud, AWS's own emulator, and `sam local`."""
