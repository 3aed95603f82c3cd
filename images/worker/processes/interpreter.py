"""Starts Python programs of the worker without the worker's environment, which may lead to credentials."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

PLAIN: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""The environment variables that every process gets; none of them leads to credentials."""
_FOR_PYTHON: Final = ("PYTHON", "LD_", "DYLD_", "LC_", "MALLOC_", "COV_", "COVERAGE_", "VIRTUAL_ENV")
"""How the names begin of those that an interpreter, or its C library, reads only when it starts."""


def plain_environment() -> dict[str, str]:
    """Return this process's environment without anything that may lead to credentials."""
    return {name: os.environ[name] for name in PLAIN if name in os.environ}


def start_interpreter(main: Callable[..., None], descriptors: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Call a module's function ``main`` with the descriptors in a new interpreter, with this one's ``sys.path``.

    Its environment can be read by processes of the same user until it makes itself undumpable, so it has only what an
    interpreter needs.
    """
    call = f"main({', '.join(map(str, descriptors))})"
    program = f"import sys; sys.path[:] = {sys.path!r}\nfrom {main.__module__} import main\n{call}"
    environment = {name: value for name, value in os.environ.items() if name.startswith(_FOR_PYTHON)}
    return subprocess.Popen(  # noqa: S603  (this interpreter, and a program that we wrote)
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        env=environment | plain_environment(),
        pass_fds=descriptors,
        process_group=0,
    )
