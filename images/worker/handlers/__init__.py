"""The handlers of the worker image, and the registry that finds a handler by its instruction's first word."""

from .handler_registry import GROUP, Handler, built_in, find_handlers

__all__ = ["GROUP", "Handler", "built_in", "find_handlers"]
