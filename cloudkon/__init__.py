"""Names the public interface of CloudKon, a many-task fleet.

Authors of handlers import ``Context``, ``PermanentFailure`` and ``InvalidInstruction``. Scripts import ``Fleet`` and
catch ``CloudKonError`` or one of its kinds. Each name is imported at its first use, so that ``import cloudkon`` itself
costs next to nothing.
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

_MODULES = {
    "CloudKonError": "cloudkon.errors",
    "Context": "cloudkon.handler",
    # The only place where the core names one of the programs.
    "Fleet": module("client"),
    "InvalidInput": "cloudkon.errors",
    "InvalidInstruction": "cloudkon.errors",
    "NoFleet": "cloudkon.errors",
    "PermanentFailure": "cloudkon.errors",
    "ServiceError": "cloudkon.errors",
}
"""The module that defines each public name."""


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
