"""Builds and trains the network, and keeps its runs on disk."""
