"""CloudKon: a many-task fleet. What handlers' authors and scripts import is named here.

Handlers use ``Context``, ``PermanentFailure`` and ``InvalidInstruction``; scripts use ``Fleet`` and catch
``CloudKonError``. Everything is imported when it is asked for, so that importing the core costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from cloudkon.programs import module

if TYPE_CHECKING:
    from client import Fleet
    from cloudkon.errors import CloudKonError, InvalidInput, InvalidInstruction, NoFleet, PermanentFailure, ServiceError
    from cloudkon.handler import Context

__version__ = "0.1.0"

__all__ = [
    "CloudKonError",
    "Context",
    "Fleet",
    "InvalidInput",
    "InvalidInstruction",
    "NoFleet",
    "PermanentFailure",
    "ServiceError",
    "__version__",
]

_HOMES = {
    "CloudKonError": "cloudkon.errors",
    "Context": "cloudkon.handler",
    # The one place where the core names a program.
    "Fleet": module("client"),
    "InvalidInput": "cloudkon.errors",
    "InvalidInstruction": "cloudkon.errors",
    "NoFleet": "cloudkon.errors",
    "PermanentFailure": "cloudkon.errors",
    "ServiceError": "cloudkon.errors",
}
"""The module that defines each name."""


def __getattr__(name: str) -> object:
    """Import a name of the public interface."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
