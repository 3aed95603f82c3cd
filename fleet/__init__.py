"""The fleet: what runs the workers, and where. ``python -m fleet`` starts, scales, watches and stops it."""
