"""``python -m fleet.local.emulator_server``: started by the supervisor, in the emulator's own Python."""

import sys

from .server import run

if __name__ == "__main__":
    sys.exit(run())
