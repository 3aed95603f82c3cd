"""Checks a video against its plan before it is stored."""
