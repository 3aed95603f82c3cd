"""What the worker image runs: the pipeline, its handlers, its heartbeat, its shutdown."""
