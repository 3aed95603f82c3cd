"""Pushing a workload: from its file to messages on the queues."""
