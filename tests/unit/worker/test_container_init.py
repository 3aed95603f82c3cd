"""A worker that is its container's first process starts itself again under the image's init."""

import os
import shutil
import sys
from typing import NoReturn

import pytest

from images.worker.processes.container_init import run_under_init


class Replaced(Exception):
    """Stands for execv, after which nothing of the program runs."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    seen: list[tuple[str, list[str]]] = []

    def execv(program: str, arguments: list[str]) -> NoReturn:
        seen.append((program, arguments))
        raise Replaced

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "-m", "images.worker", "--until-empty"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return seen


def test_first_process_runs_again_under_the_init(
    started: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(Replaced):
        run_under_init()
    again = [sys.executable, "-X", "dev", "-m", "images.worker", "--until-empty"]
    assert started == [("/usr/bin/tini", ["tini", "-s", "--", *again])]


def test_process_below_an_init_goes_on(started: list[tuple[str, list[str]]]) -> None:
    run_under_init()
    assert started == []


def test_image_without_an_init_goes_on(started: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    run_under_init()
    assert started == []
