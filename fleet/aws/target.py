"""Implements the ``aws`` target with CloudFormation, ECS and Auto Scaling."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from cloudkon.aws import Connection
from cloudkon.errors import CloudKonError
from cloudkon.model import Pool
from cloudkon.ports import Clock, TrioClock
from cloudkon.settings import Settings

from ..docker.build import build_images
from ..docker.engine import Engine, open_engine
from ..docker.image_platform import PLATFORM_OF
from ..status import FleetStatus
from ..target import Report
from ..target_options import NO_SIZING, AutoscaleRange, Sizing
from .down import Down
from .logs import LogReader
from .resources.account_stacks import AccountStacks, find_stacks
from .resources.compute_parameters import DEFAULT_ARCHITECTURE
from .rollout import deploy, publish
from .scaling import autoscale, scale
from .snapshot import snapshot
from .up import Up


class AwsTarget:
    """The fleet of one name in one account and region. All its state is on AWS."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection | None = None,
        clock: Clock | None = None,
        opened: Callable[[], AbstractAsyncContextManager[Engine]] = open_engine,
    ) -> None:
        """No AWS call is made yet. Raises ``InvalidSetting`` for an unusable profile or endpoint."""
        self._settings = settings
        self._connection = connection or Connection(settings)
        self._clock = clock or TrioClock()
        self._opened = opened

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:
        """Build the pools' images on the local Docker engine, for the fleet's instances unless a platform is named."""
        async with self._opened() as engine:
            chosen = platform or PLATFORM_OF[await self._architecture(report)]
            await build_images(engine, pools, report, chosen)

    async def up(self, report: Report, sizing: Sizing = NO_SIZING) -> str:
        """Create or update both stacks. Options that ``sizing`` leaves out stay unchanged."""
        await Up(await self._stacks(), sizing, report).run()
        return self._connection.endpoint

    async def preview(self, report: Report, sizing: Sizing = NO_SIZING) -> tuple[str, ...]:
        """Return what ``up`` would change, one line a resource. Nothing is changed."""
        return await Up(await self._stacks(), sizing, report).preview()

    async def publish(self, pools: tuple[Pool, ...], report: Report) -> dict[str, str]:
        """Push the pools' images into the fleet's registry. Return them by pool name."""
        stacks = await self._stacks()
        async with self._opened() as engine:
            return await publish(stacks, engine, pools, report)

    async def deploy(self, pools: tuple[Pool, ...], tag: str, report: Report) -> dict[str, str]:
        """Roll out the image with that tag, or the newest one, to the pools; all pools get the settings chosen here."""
        return await deploy(await self._stacks(), pools, tag, report)

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        """Set a pool's count and wait until it is reached."""
        await scale(await self._stacks(), pool, count, report)

    async def autoscale(self, pool: Pool, wanted: AutoscaleRange | None, report: Report) -> None:
        """Autoscale a pool within a range, or resume the range it has."""
        await autoscale(await self._stacks(), pool, wanted, report)

    async def status(self) -> FleetStatus:
        """Return the status of the fleet as ECS, Auto Scaling, SQS and CloudWatch report it."""
        return await snapshot(await self._stacks())

    async def logs(
        self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None], task: str = ""
    ) -> None:
        """Write logs from CloudWatch Logs, also after ``scale 0``. ``task`` selects the lines about one task."""
        await LogReader(await self._stacks(), pool, task).read(lines, follow=follow, write=write)

    async def down(self, report: Report, *, delete_data: bool, grace: float = 0.0) -> None:
        """Delete everything that costs money; with ``delete_data``, the data too."""
        await Down(await self._stacks(), report, with_data=delete_data, grace=grace).run()

    async def describe(self) -> str:
        """Return the fleet's name and account, for the confirmation before ``down``."""
        stacks = await self._stacks()
        return f"fleet {stacks.fleet!r} on {stacks.account}"

    async def _architecture(self, report: Report) -> str:
        """Return the architecture of the fleet's instances; the default one where it can't be found."""
        try:
            facts = await (await self._stacks()).compute().facts()
        except CloudKonError as error:
            # An image can be built without credentials, and before the first up.
            report(f"the fleet's architecture can't be read, so it is taken to be {DEFAULT_ARCHITECTURE}: {error}")
            return DEFAULT_ARCHITECTURE
        return facts.parameters.get("Architecture", DEFAULT_ARCHITECTURE)

    async def _stacks(self) -> AccountStacks:
        return await find_stacks(self._settings, self._connection, self._clock)
