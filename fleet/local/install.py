"""``python -m fleet.local.install``: installs the emulator without starting anything, and prints its executable.

Tests and the demo need an emulator of their own: they pass the printed path in ``CLOUDKON_EMULATOR``.
"""

import os
import sys
from pathlib import Path

import trio

from cloudkon.errors import EXIT_OK, CloudKonError
from cloudkon.settings import Settings
from cloudkon.terminal import prepare_streams, print_line, say, say_error

from .emulator_installation import EXECUTABLE, ensure_installed, interpreter
from .state_dir import StateDir


async def install(state_dir: StateDir) -> Path:
    """Install the emulator if necessary; return its executable. Raises what ``ensure_installed`` raises."""
    state_dir.make()
    async with state_dir.command_lock.taken(lambda: _report("waiting for another up or down in this directory")):
        await ensure_installed(state_dir, _report)
    if given := os.environ.get(EXECUTABLE, ""):
        return Path(given)
    return interpreter(state_dir).with_name("ministack")


def main() -> int:
    """Install into the state directory of the settings; return the exit code."""
    prepare_streams()
    try:
        executable = trio.run(install, StateDir(Settings.from_environment().state_dir.absolute()))
    except CloudKonError as error:
        say_error(str(error))
        return error.exit_code
    print_line(executable)
    return EXIT_OK


def _report(line: str) -> None:
    say(line)


if __name__ == "__main__":
    sys.exit(main())
