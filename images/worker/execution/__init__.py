"""Runs one attempt of a task, in this process or in a slot process."""
