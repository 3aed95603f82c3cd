"""Starts processes that run other people's code, guards them, and ends all that they started."""
