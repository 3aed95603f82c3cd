"""Downloads pictures and music from links."""
