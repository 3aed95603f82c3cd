"""Starts, scales, watches and stops the workers, on each target: ``python -m fleet``."""
