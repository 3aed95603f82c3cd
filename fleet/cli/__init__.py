"""Implements the command line ``python -m fleet``."""
