"""Draws titles and captions."""
