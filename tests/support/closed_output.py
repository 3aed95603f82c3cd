"""Unread: a command line whose standard output nobody reads any more, as ``head`` leaves it."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest


def ended_unread(run: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code, also where click ends the program itself."""
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
