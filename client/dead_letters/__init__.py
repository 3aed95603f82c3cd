"""Dead letters: reading them, sending them again, and emptying queues."""
