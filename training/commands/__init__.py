"""Defines the commands of training; each imports what it needs when it runs, so that help appears at once."""
