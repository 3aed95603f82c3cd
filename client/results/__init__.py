"""Reads what a run produced: its results, its failures, its files."""
