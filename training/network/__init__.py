"""The network, and how it learns: architecture, optimiser, training, and runs on disk."""
