"""Reads what the heads of picture files declare, before a decoder that believes them starts."""
