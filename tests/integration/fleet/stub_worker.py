"""Replaces a worker: logs its settings, runs until SIGTERM, logs the stop, and exits with 0."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def log(action: str, **facts: object) -> None:
    write(json.dumps({"time": time.time(), "action": action, **facts}))


def stop(*_: object) -> NoReturn:
    log("stopped")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
log("started", pool=sys.argv[1], settings={key: os.environ[key] for key in os.environ if key.startswith("CLOUDKON_")})
broken = Path(os.environ["CLOUDKON_STATE_DIR"], "broken")
if broken.exists():
    write(broken.read_text())
    sys.exit(3)
while True:
    signal.pause()
