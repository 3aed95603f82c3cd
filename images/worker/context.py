"""The old path of ``cloudkon.handler``, for handlers that import it from here."""

from cloudkon.handler import Context

__all__ = ["Context"]
