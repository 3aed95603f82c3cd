"""Runs a command line whose standard output is closed, as ``head`` leaves it."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest


def ended_unread(run: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> object:
    """Return the exit code, also if click exits the program itself."""
    reader, writer = os.pipe()
    os.close(reader)
    code: object = None
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as gone, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", gone)
        try:
            code = run()
        except SystemExit as ended:
            code = ended.code
    return code
