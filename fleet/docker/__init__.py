"""Runs the target ``docker``: LocalStack and the real images on this machine's Docker engine."""
