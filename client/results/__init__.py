"""What became of a run: its results, its failures, its files."""
