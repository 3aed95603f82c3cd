"""Keeps the old import path of ``cloudkon.handler.Context`` working."""

from cloudkon.handler import Context

__all__ = ["Context"]
