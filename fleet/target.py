"""Target: where a fleet runs. Each target answers the same words in a package of its own."""

from collections.abc import Callable
from typing import Protocol

from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings
from cloudkon.words import Pool
from fleet.status import FleetStatus

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


def target_for(settings: Settings) -> Target:
    """The target that the settings name, or ``InvalidInput`` for one that this version does not have."""
    if settings.target == "local":
        from fleet.local.target import LocalTarget  # noqa: PLC0415  (only the target in use is loaded)

        return LocalTarget(settings)
    if settings.target == "docker":
        from fleet.docker.target import DockerTarget  # noqa: PLC0415  (only the target in use is loaded)

        return DockerTarget(settings)
    raise InvalidInput(
        f"target {settings.target!r}",
        "not built yet in this version",
        "Use another one: set CLOUDKON_TARGET to local or docker",
    )
