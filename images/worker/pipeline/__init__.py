"""The stages of the worker's pipeline, the objects that they share, and the worker that runs them."""
