"""From a file that somebody calls a picture to pixels of one size."""
