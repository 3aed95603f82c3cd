"""From normalised pictures to a video file."""
