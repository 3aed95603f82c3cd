"""Turns downloaded files into pixels of one size."""
