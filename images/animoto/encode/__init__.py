"""Encodes normalised pictures into a video file."""
