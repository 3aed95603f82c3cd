"""Runs one attempt at a task, in this process or in a slot process."""
