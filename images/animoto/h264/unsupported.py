"""Defines the error for a stream that this package does not read."""

from cloudkon.errors import CloudKonError


class Unsupported(CloudKonError):
    """An encoder's stream has a feature that the written films don't use; the text names it."""
