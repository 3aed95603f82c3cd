"""Reads how far runs are and decides whether they are over; receives their results as they come."""
