import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.memory import MemoryStore
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from tests.support.web import Web


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def settings() -> Settings:
    """Settings of tests: the web server is on loopback, and "memory" is the bucket of the store in memory."""
    return Settings(allow_private_links=True, bucket="memory")


@pytest.fixture
def context_for(tmp_path: Path, settings: Settings) -> Callable[..., Context]:
    def make(seconds: float = 600.0, token: str = "owner-1") -> Context:
        scratch = str(tmp_path / "scratch")
        return Context(TaskId("run-1", 7), 1, token, time.time() + seconds, scratch, settings, Log("error"))

    return make
