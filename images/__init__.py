"""The two images: what their containers run."""
