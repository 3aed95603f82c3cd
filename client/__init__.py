"""The client: ``python -m client`` on the command line, ``from client import Fleet`` in Python (docs/python.md)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from client.api.fleet import Fleet
    from client.api.fleet_run import FleetRun
    from client.api.futures import TaskFailed, TaskFuture
    from client.api.portal import FleetClosed
    from client.follow.overview import PoolView, RunView
    from client.follow.run_counts import Tally
    from client.follow.stranded import RunStranded
    from client.results.failures import Kind
    from client.results.pull import Pulled
    from client.results.selection import Selection
    from cloudkon.model import Result, TaskState

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
    "Fleet": "client.api.fleet",
    "FleetClosed": "client.api.portal",
    "FleetRun": "client.api.fleet_run",
    "Kind": "client.results.failures",
    "PoolView": "client.follow.overview",
    "Pulled": "client.results.pull",
    "Result": "cloudkon.model",
    "RunStranded": "client.follow.stranded",
    "RunView": "client.follow.overview",
    "Selection": "client.results.selection",
    "Tally": "client.follow.run_counts",
    "TaskFailed": "client.api.futures",
    "TaskFuture": "client.api.futures",
    "TaskState": "cloudkon.model",
}
"""Where each name of the interface is: imported when it is asked for, so that the command line starts quickly."""


def __getattr__(name: str) -> object:
    """Import a name of the interface."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
