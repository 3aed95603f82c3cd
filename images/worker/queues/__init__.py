"""The worker's calls to its queues and to the object store."""
