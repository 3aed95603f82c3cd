"""Pushes and follows runs: ``python -m client`` on the command line, ``from client import Fleet`` in Python."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudkon.model import Result, TaskState

    from .api.fleet import Fleet
    from .api.fleet_run import FleetRun
    from .api.futures import TaskFailed, TaskFuture
    from .api.portal import FleetClosed
    from .follow.overview import PoolView, RunView
    from .follow.run_counts import RunCounts
    from .follow.run_counts import RunCounts as Tally
    from .follow.stranded import RunStranded
    from .results.failures import FailureKind
    from .results.failures import FailureKind as Kind
    from .results.pull import Pulled
    from .results.selection import Selection

__all__ = [
    "FailureKind",
    "Fleet",
    "FleetClosed",
    "FleetRun",
    "Kind",
    "PoolView",
    "Pulled",
    "Result",
    "RunCounts",
    "RunStranded",
    "RunView",
    "Selection",
    "Tally",
    "TaskFailed",
    "TaskFuture",
    "TaskState",
]

_OLD_NAMES = {"Kind": "FailureKind", "Tally": "RunCounts"}
"""Old names that scripts may still use."""

_HOMES = {
    "Fleet": ".api.fleet",
    "FleetClosed": ".api.portal",
    "FleetRun": ".api.fleet_run",
    "FailureKind": ".results.failures",
    "PoolView": ".follow.overview",
    "Pulled": ".results.pull",
    "Result": "cloudkon.model",
    "RunStranded": ".follow.stranded",
    "RunView": ".follow.overview",
    "Selection": ".results.selection",
    "RunCounts": ".follow.run_counts",
    "TaskFailed": ".api.futures",
    "TaskFuture": ".api.futures",
    "TaskState": "cloudkon.model",
}
"""The module of each public name. It is imported at first use, so that the command line starts quickly."""


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    name = _OLD_NAMES.get(name, name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
