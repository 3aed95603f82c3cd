"""Implements the target ``local``: a supervisor on this machine carries out the commands."""

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from cloudkon.errors import CloudKonError, InvalidInput, NoFleet, ServiceError
from cloudkon.kernel import IS_LINUX
from cloudkon.model import Pool
from cloudkon.programs import command
from cloudkon.settings import PREFIX, Settings

from ..lock import Lock
from ..polling import poll_until
from ..status import FleetStatus
from ..target import Report
from .actual_state import ActualState
from .command_lines import worker_program
from .emulator_installation import ensure_installed
from .emulator_process import can_not_prove
from .identity import OwnRecords, claim, disown
from .local_processes import worker_grace
from .logs import LogReader
from .snapshot import snapshot
from .start_supervisor import start_supervisor, wait_for_answer
from .state_dir import StateDir
from .stop_supervisor import check_saving, record_stop, stop_everything

SETTLE_SECONDS: Final = 1.0
"""A worker counts as running after this time: one that can't start exits sooner."""
SCALE_SECONDS: Final = 30.0
"""How long workers may take to start, added to the grace of those that stop."""
LOOK_SECONDS: Final = 0.1


class LocalTarget:
    """The fleet of one state directory."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``InvalidInput`` if an endpoint is set (this target starts its own) or the directory is not ours."""
        if settings.endpoint_url:
            raise InvalidInput(
                f"endpoint {settings.endpoint_url}",
                "the local target starts an emulator of its own",
                "Unset CLOUDKON_ENDPOINT_URL and AWS_ENDPOINT_URL, or choose another target in CLOUDKON_TARGET",
            )
        self._settings = settings
        # The real path, so that a directory is the same one by whatever link it is reached.
        self._state_dir = StateDir(Path(os.path.realpath(settings.state_dir)))
        self._state_dir.check_own()

    async def build(self, pools: tuple[Pool, ...], report: Report, platform: str = "") -> None:  # noqa: ARG002  (the target's)
        """Do nothing: workers run from this checkout."""
        report("the local target needs no images: its workers run from this checkout")

    async def up(self, report: Report) -> str:
        """Start or repair everything. A second ``up`` at the same time waits for the first and finds nothing to do."""
        self._own_records()
        self._state_dir.make()
        self._state_dir.check_space()
        async with self._one_command(report) as command_lock:
            self._own_records()
            await ensure_installed(self._state_dir, report)
            self._claim(command_lock, report)
            await self._stop_unprotected(report)
            desired = self._state_dir.change_desired_state(lambda before: before.with_request())
            started = None
            if not self._state_dir.supervisor_lock.is_held():
                await check_saving(self._settings, self._state_dir)
                if unsaved := await stop_everything(self._settings, self._state_dir, report):
                    report(unsaved)
                started = start_supervisor(self._settings, self._state_dir, report)
                if not IS_LINUX:
                    report("this system can't find processes that a task detaches (setsid): they outlive the fleet")
            try:
                actual = await wait_for_answer(self._state_dir, desired.request, started)
            except ServiceError:
                if started:
                    await stop_everything(self._settings, self._state_dir, report)
                    record_stop(self._state_dir)
                raise
            if _settings_only(actual.settings) != self._given():
                report("the fleet keeps the settings that it was started with; to change them, run down, then up")
            return actual.endpoint_url

    async def scale(self, pool: Pool, count: int, report: Report) -> None:
        """Set the count of workers and wait for it. Raises ``ServiceError`` if the count is not reached."""
        worker_program(pool)
        actual = self._actual_state()
        before = actual.pool(pool.name)
        if ignored := sorted(name for name, text in self._given().items() if actual.settings.get(name) != text):
            report(
                f"workers keep the settings of up: {', '.join(ignored)} has no effect; to change it, run down, then up"
            )
        self._state_dir.change_desired_state(lambda desired: desired.with_count(pool.name, count))
        grace = worker_grace(self._settings)
        if count < len(before.members):
            report(f"stopping workers: {len(before.members) - count}, up to {grace:.0f} s each")
        with trio.move_on_after(SCALE_SECONDS + grace):
            await poll_until(lambda: _reached(self._actual_state(), pool, count), LOOK_SECONDS)
            return
        running = sum(member.pid > 0 for member in self._actual_state().pool(pool.name).members)
        raise ServiceError(
            f"pool {pool.name!r}: {running} of {count} desired workers run, and the command has stopped waiting. "
            f"The supervisor goes on; see: {command('fleet status')}"
        )

    async def status(self) -> FleetStatus:
        """Return processes as the supervisor sees them, and queues as the emulator counts them."""
        return await snapshot(self._settings, self._actual_state())

    async def logs(self, pool: Pool | None, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the workers' logs, also after ``down``, because the files stay."""
        self._own_records()
        reader = LogReader(self._state_dir, pool)
        if not reader.paths() and not follow:
            self._actual_state()
        await reader.read(lines, follow=follow, write=write)

    async def down(self, report: Report, *, delete_data: bool) -> None:
        """Stop the supervisor with all its processes, and what a killed one left running. Safe to repeat."""
        if not self._state_dir.has_fleet():
            report("nothing is up here")
            return
        self._own_records()
        self._state_dir.make()
        async with self._one_command(report) as command_lock:
            self._claim(command_lock, report)
            if not delete_data:
                await check_saving(self._settings, self._state_dir)
            unsaved = await stop_everything(self._settings, self._state_dir, report)
            if delete_data:
                report("deleting messages, ledger and stored objects")
                self._state_dir.delete_data()
                disown(self._state_dir)
            if unsaved and not delete_data:
                with suppress(CloudKonError):  # the same full disk: the loss is the worse news
                    record_stop(self._state_dir)
                raise CloudKonError(f"everything was stopped, but {unsaved}")
            record_stop(self._state_dir)

    @asynccontextmanager
    async def _one_command(self, report: Report) -> AsyncIterator[Lock]:
        """Hold the command lock, and yield it."""
        lock = self._state_dir.command_lock
        async with lock.taken(lambda: report("waiting for another up or down in this directory")):
            yield lock

    async def _stop_unprotected(self, report: Report) -> None:
        """Stop a fleet of an older release, which today's programs can't use; ``up`` starts its workers again."""
        if not self._state_dir.supervisor_lock.is_held():
            return
        reason = "its emulator checked no signatures"
        if self._state_dir.has_secret():
            reason = "its emulator can't prove that it is the fleet's"
            port, secret = self._state_dir.port(), self._state_dir.secret()
            if not port or not await trio.to_thread.run_sync(can_not_prove, port, secret):
                return
        report(f"restarting a fleet of an older release: {reason}")
        if unsaved := await stop_everything(self._settings, self._state_dir, report):
            report(unsaved)

    def _own_records(self) -> OwnRecords:
        """Return what the state directory says about itself. Refuses a directory of another fleet."""
        records = OwnRecords.read(self._state_dir)
        records.check_fleet(self._state_dir, self._settings.fleet)
        return records

    def _claim(self, command_lock: Lock, report: Report) -> None:
        """Make sure that the records in the directory are its own. Refuses a directory of another fleet."""
        if original := claim(self._state_dir, self._settings.fleet, command_lock).copy_of:
            report(
                f"this directory is a copy of {original}: its fleet is one of its own, and the original is left alone"
            )

    def _given(self) -> dict[str, str]:
        """Return the settings of this command that are not defaults."""
        return _settings_only(self._settings.to_environment())

    def _actual_state(self) -> ActualState:
        """Return the state that a running supervisor wrote. Raises ``NoFleet`` if no supervisor runs."""
        actual = self._own_records().actual
        if self._state_dir.supervisor_lock.is_held() and actual:
            return actual
        reason = "its supervisor has died" if actual else "no local fleet is up here"
        remedy = f"{'Repair it' if actual else 'Start one'} with: {command('fleet up')}"
        raise NoFleet(f"fleet {self._settings.fleet!r}", f"{reason} ({self._state_dir.path})", remedy)


def _settings_only(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out the state directory, which can be reached by several paths, and what is of one command only."""
    return {name: text for name, text in environment.items() if name not in (f"{PREFIX}STATE_DIR", f"{PREFIX}RECORD")}


def _reached(actual: ActualState, pool: Pool, count: int) -> bool:
    """Whether the pool has ``count`` settled workers. Raises ``ServiceError`` for a problem that prevents it."""
    current = actual.pool(pool.name)
    problems = [actual.problem, actual.emulator.problem]
    if current.desired == count:
        problems += [member.problem for member in current.members if not member.stopping]
    for problem in filter(None, problems):
        raise ServiceError(f"{problem}. The supervisor goes on trying; see: {command('fleet status')}")
    settled = time.time() - SETTLE_SECONDS
    return (
        current.desired == count
        and len(current.members) == count
        and all(0 < member.started <= settled for member in current.members)
    )
