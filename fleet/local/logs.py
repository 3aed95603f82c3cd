"""Merges the logs of the local fleet's workers into one stream."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from cloudkon.model import POOLS, Pool

from .log_files import LogFollower, merge_by_time, parse_line, recent_lines
from .state_dir import StateDir

LOOK_SECONDS: Final = 0.2


class LogReader:
    """Reads the logs of one pool's workers, or of all workers."""

    def __init__(self, state_dir: StateDir, pool: Pool | None) -> None:
        """``pool`` is ``None`` for all pools."""
        names = "|".join(re.escape(one.name) for one in ([pool] if pool else POOLS))
        self._pattern = re.compile(rf"(?:{names})-\d+\.log")
        self._state_dir = state_dir

    def paths(self) -> list[Path]:
        """Return the log files that exist."""
        return sorted(path for path in self._state_dir.logs.glob("*.log") if self._pattern.fullmatch(path.name))

    async def read(self, lines: int, *, follow: bool, write: Callable[[str, str], None]) -> None:
        """Write the last lines of each log; with ``follow``, go on with new lines until cancelled."""
        paths = self.paths()
        followers = {path: LogFollower(path) for path in paths} if follow else {}
        shown = merge_by_time(parse_line(path.stem, text) for path in paths for text in recent_lines(path, lines))
        for line in shown:
            write(line.source, line.text)
        while follow:
            for path in self.paths():
                if path not in followers:
                    followers[path] = LogFollower(path, from_start=True)
            for line in merge_by_time(
                parse_line(path.stem, text) for path, follower in followers.items() for text in follower.new_lines()
            ):
                write(line.source, line.text)
            await trio.sleep(LOOK_SECONDS)
