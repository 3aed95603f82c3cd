"""Defines what every target can do. Each target implements it in a package of its own."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from cloudkon.model import Pool

from .status import FleetStatus
from .target_options import NO_SIZING, AutoscaleRange, Sizing

Report = Callable[[str], None]
"""Accepts one short progress line at a time, for a person who waits."""


class Target(Protocol):
    """One fleet on one target.

    Every method raises ``InvalidInput`` for what the user can fix, ``NoFleet`` if nothing is up, and other subclasses
    of ``CloudKonError`` that say what was done and what was not.
    """

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:
        """Build the pools' images, if workers need any.

        ``platform`` is as ``linux/arm64``, empty for that of the fleet's workers.
        """
        ...

    async def up(self, report: Report) -> str:
        """Start and repair the fleet, without changing worker counts; return the endpoint (empty on AWS)."""
        ...

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        """Set a pool's count of workers, and wait until exactly this number runs."""
        ...

    async def status(self) -> FleetStatus:
        """Return the fleet's status now."""
        ...

    async def logs(self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the last ``lines`` lines of each worker's log, oldest first; with ``follow``, new lines as well.

        ``write`` accepts a worker's name and one line. ``pool`` is ``None`` for all pools.
        """
        ...

    async def down(self, report: Report, *, delete_data: bool) -> None:
        """Stop everything. Messages, ledger and stored objects stay, unless ``delete_data`` is set."""
        ...


@runtime_checkable
class CloudTarget(Target, Protocol):
    """A target with its own instances, an image registry, and autoscaling by backlog: AWS."""

    async def up(self, report: Report, sizing: Sizing = NO_SIZING) -> str:
        """As in ``Target``; what ``sizing`` does not set stays unchanged."""
        ...

    async def preview(self, report: Report, sizing: Sizing = NO_SIZING) -> tuple[str, ...]:
        """Return what ``up`` would change, one line for each resource, without changing anything."""
        ...

    async def publish(self, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
        """Push the pools' images to the registry, unless they are there; return them by pool name."""
        ...

    async def deploy(self, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
        """Deploy the published image with ``tag``, or the newest, to the pools; return the images by pool name."""
        ...

    async def autoscale(self, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
        """Scale a pool by its backlog, within a range; ``None`` for the range that it had before ``scale``."""
        ...

    async def logs(
        self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None], task: str = ""
    ) -> None:
        """As in ``Target``; with ``task`` (``RUN/SEQ``) only the lines about this task."""
        ...

    async def down(self, report: Report, *, delete_data: bool, grace: float = 0.0) -> None:
        """As in ``Target``; workers go on for ``grace`` seconds before they get the stop signal."""
        ...

    async def describe(self) -> str:
        """Return which fleet this is and where it runs, for a question before resources are deleted."""
        ...
