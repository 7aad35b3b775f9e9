"""Looks for known vulnerabilities of everything that is locked: `make audit`."""
