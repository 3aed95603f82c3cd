"""Bench: the experiments of the CloudKon reports, on whatever fleet there is, written on the Python interface."""
