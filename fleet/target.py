"""Target: where a fleet runs. Each target answers the same words in a package of its own."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from cloudkon.model import Pool

from .status import FleetStatus
from .target_options import NO_SIZING, AutoscaleRange, Sizing

Report = Callable[[str], None]
"""Takes what is being done, a short line at a time, for a person who waits."""


class Target(Protocol):
    """One fleet on one target.

    All raise ``InvalidInput`` for what the user can mend, ``NoFleet`` where nothing is up, and other kinds of
    ``CloudKonError`` that say what was and was not done.
    """

    async def build(self, pools: tuple[Pool, ...], report: Report) -> None:
        """Make the pools' images, where workers need any."""
        ...

    async def up(self, report: Report) -> str:
        """Start what does not run and mend what is broken; give the endpoint (empty on AWS). Workers stay as many."""
        ...

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        """Set a pool's count of workers, and wait until that many run and no more."""
        ...

    async def status(self) -> FleetStatus:
        """The fleet as it is now."""
        ...

    async def logs(self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the last ``lines`` lines of each worker's log in the order of time; to follow, those to come as well.

        ``write`` takes a worker's name and a line of its. ``None`` means all pools.
        """
        ...

    async def down(self, report: Report, *, delete_data: bool) -> None:
        """Stop all that runs. Messages, ledger and stored objects stay unless ``delete_data``."""
        ...


@runtime_checkable
class CloudTarget(Target, Protocol):
    """A target with machines of its own, an image registry, and scaling by backlog: AWS."""

    async def up(self, report: Report, sizing: Sizing = NO_SIZING) -> str:
        """As ``Target`` says; what ``sizing`` doesn't say stays as it is."""
        ...

    async def preview(self, report: Report, sizing: Sizing = NO_SIZING) -> tuple[str, ...]:
        """What ``up`` would change, a line a resource; nothing is done."""
        ...

    async def publish(self, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
        """Put the pools' images into the registry, unless they are there; give them by pool name."""
        ...

    async def deploy(self, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
        """Roll the published image of that tag, or the newest, out to the pools; give the images by pool name."""
        ...

    async def autoscale(self, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
        """Have a pool follow its backlog within a range; ``None`` for the one it had before ``scale``."""
        ...

    async def logs(
        self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None], task: str = ""
    ) -> None:
        """As ``Target`` says; with a ``task`` (``RUN/SEQ``) only the lines about it."""
        ...

    async def down(self, report: Report, *, delete_data: bool, grace: float = 0.0) -> None:
        """As ``Target`` says; workers may go on for ``grace`` seconds before they are told to stop."""
        ...

    async def describe(self) -> str:
        """Which fleet it is, and where, for a question before something is taken away."""
        ...
