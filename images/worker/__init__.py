"""The worker image: the pipeline, its handlers, its heartbeats and its shutdown."""
