"""Holds two helpers for concurrent work under trio."""
