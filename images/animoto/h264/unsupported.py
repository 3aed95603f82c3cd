"""Unsupported: a stream that this package does not read."""

from cloudkon.errors import CloudKonError


class Unsupported(CloudKonError):
    """An encoder's stream is none of those that slides are made of; the text says in what."""
