"""The programs of the two images: the worker and the slideshow renderer animoto."""
