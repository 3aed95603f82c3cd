"""Runs ffmpeg within limits of time and memory."""
