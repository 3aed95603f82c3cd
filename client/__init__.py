"""The client: ``python -m client`` on the command line, ``from client import Fleet`` in Python (docs/python.md)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudkon.model import Result, TaskState

    from .api.fleet import Fleet
    from .api.fleet_run import FleetRun
    from .api.futures import TaskFailed, TaskFuture
    from .api.portal import FleetClosed
    from .follow.overview import PoolView, RunView
    from .follow.run_counts import Tally
    from .follow.stranded import RunStranded
    from .results.failures import Kind
    from .results.pull import Pulled
    from .results.selection import Selection

__all__ = [
    "Fleet",
    "FleetClosed",
    "FleetRun",
    "Kind",
    "PoolView",
    "Pulled",
    "Result",
    "RunStranded",
    "RunView",
    "Selection",
    "Tally",
    "TaskFailed",
    "TaskFuture",
    "TaskState",
]

_HOMES = {
    "Fleet": ".api.fleet",
    "FleetClosed": ".api.portal",
    "FleetRun": ".api.fleet_run",
    "Kind": ".results.failures",
    "PoolView": ".follow.overview",
    "Pulled": ".results.pull",
    "Result": "cloudkon.model",
    "RunStranded": ".follow.stranded",
    "RunView": ".follow.overview",
    "Selection": ".results.selection",
    "Tally": ".follow.run_counts",
    "TaskFailed": ".api.futures",
    "TaskFuture": ".api.futures",
    "TaskState": "cloudkon.model",
}
"""Where each name of the interface is: imported when it is asked for, so that the command line starts quickly."""


def __getattr__(name: str) -> object:
    """Import a name of the interface."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
