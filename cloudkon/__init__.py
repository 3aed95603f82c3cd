"""What the client, the worker images and the fleet agree on: words, wire formats, ports and their adapters."""

__version__ = "0.1.0"
