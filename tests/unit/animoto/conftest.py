import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudkon.log import Log
from cloudkon.memory import MemoryStore
from cloudkon.settings import Settings
from cloudkon.words import TaskId
from images.worker.context import Context
from tests.unit.animoto.web import Web


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def settings() -> Settings:
    """Those of tests: the web server is on loopback, and the store in memory calls its bucket so."""
    return Settings(allow_private_links=True, bucket="memory")


@pytest.fixture
def context_for(tmp_path: Path, settings: Settings) -> Callable[..., Context]:
    def make(seconds: float = 60.0, token: str = "owner-1") -> Context:
        return Context(
            task=TaskId("run-1", 7),
            attempt=1,
            token=token,
            deadline=time.time() + seconds,
            scratch_path=str(tmp_path / "scratch"),
            settings=settings,
            log=Log("error"),
        )

    return make
