"""AWS target: the words of the command line, carried out by CloudFormation, ECS and Auto Scaling."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from cloudkon.aws import Connection
from cloudkon.model import Pool
from cloudkon.ports import Clock, TrioClock
from cloudkon.settings import Settings

from ..docker.build import build_images
from ..docker.engine import Engine, open_engine
from ..status import FleetStatus
from ..target import Report
from ..target_options import NO_SIZING, AutoscaleRange, Sizing
from .down import Down
from .logs import LogReader
from .resources.account_stacks import Site, find_site
from .rollout import deploy, publish
from .scaling import autoscale, scale
from .snapshot import snapshot
from .up import Up


class AwsTarget:
    """The fleet of one name on one account in one region. AWS holds all the state there is."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection | None = None,
        clock: Clock | None = None,
        opened: Callable[[], AbstractAsyncContextManager[Engine]] = open_engine,
    ) -> None:
        """Nothing is asked of AWS yet. Raises ``InvalidSetting`` for a profile or endpoint that can't be used."""
        self._settings = settings
        self._connection = connection or Connection(settings)
        self._clock = clock or TrioClock()
        self._opened = opened

    async def build(self, pools: tuple[Pool, ...], report: Report) -> None:
        """Build the pools' images on this machine's Docker engine."""
        async with self._opened() as engine:
            await build_images(engine, pools, report)

    async def up(self, report: Report, sizing: Sizing = NO_SIZING) -> str:
        """Make both stacks, or bring them up to date; what ``sizing`` doesn't say stays as it is."""
        await Up(await self._site(), sizing, report).run()
        return self._connection.endpoint

    async def preview(self, report: Report, sizing: Sizing = NO_SIZING) -> tuple[str, ...]:
        """What ``up`` would change, a line a resource; nothing is done."""
        return await Up(await self._site(), sizing, report).preview()

    async def publish(self, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
        """Push the pools' images into the fleet's registry; give them by pool name."""
        site = await self._site()
        async with self._opened() as engine:
            return await publish(site, engine, pools, report)

    async def deploy(self, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
        """Roll the image of that tag, or the one pushed last, out to the pools, and the settings chosen here to all."""
        return await deploy(await self._site(), pools, tag, report)

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        """Set a pool's count, and wait until it runs."""
        await scale(await self._site(), pool, count, report)

    async def autoscale(self, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
        """Have a pool follow its backlog within a range, or go on with the range it has."""
        await autoscale(await self._site(), pool, wanted, report)

    async def status(self) -> FleetStatus:
        """The fleet as ECS, Auto Scaling, SQS and CloudWatch see it."""
        return await snapshot(await self._site())

    async def logs(
        self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None], task: str = ""
    ) -> None:
        """By CloudWatch Logs, also after ``scale 0``; ``task`` narrows them down to the lines about one task."""
        await LogReader(await self._site(), pool, task).read(lines, follow=follow, write=write)

    async def down(self, report: Report, *, delete_data: bool, grace: float = 0.0) -> None:
        """Take away all that costs money; the data as well where asked."""
        await Down(await self._site(), report, with_data=delete_data, grace=grace).run()

    async def describe(self) -> str:
        """Which fleet this acts on, and whose, for the question before ``down``."""
        site = await self._site()
        return f"fleet {site.fleet!r} on {site.account}"

    async def _site(self) -> Site:
        return await find_site(self._settings, self._connection, self._clock)
