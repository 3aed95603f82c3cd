"""Runs the experiments of the CloudKon reports on any fleet, through the Python interface."""
