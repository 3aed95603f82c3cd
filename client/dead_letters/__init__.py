"""Reading dead letters, sending them again, and purging queues."""
