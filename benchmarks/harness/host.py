"""Describes the machine that runs the benchmark, without its name, and reports its load average."""

import os
import platform
from pathlib import Path
from typing import Final

GIBIBYTE: Final = 1024**3


def describe_host() -> str:
    """Processors, memory, system and Python, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIBIBYTE
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def load_average() -> float:
    """The load average of the last minute; above the number of cores, the machine was busy with other work."""
    return os.getloadavg()[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
