"""The Python interface (docs/python.md)."""
