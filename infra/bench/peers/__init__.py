"""What else one could run over a bucket: short scripts, each tuned as well as we know, that score the same pictures.

They run in an environment of their own, `.venv-peers`, and know nothing of the function but its model file and the names of
the settings.
"""
