"""The worker's calls to queues and store."""
