"""A Docker context that can't be used is refused, and never replaced by the default engine."""

import hashlib
import json
from pathlib import Path

import pytest

from cloudkon.errors import InvalidInput
from fleet.docker.docker_context import check_context
from fleet.docker.engine import open_engine


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of Docker's configuration with the context ``works``, whose engine does not run."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    (tmp_path / "config.json").write_text("{}")
    _write_context(tmp_path, "works", json.dumps(_context("works", f"unix://{tmp_path}/none.sock")))
    return tmp_path


def _context(name: str, host: str) -> dict[str, object]:
    return {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}


def _write_context(config: Path, name: str, text: str) -> None:
    directory = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    directory.mkdir(parents=True)
    (directory / "meta.json").write_text(text)


async def _open() -> None:
    async with open_engine():
        pass


async def test_unknown_context_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "prodution")
    with pytest.raises(
        InvalidInput, match=r"Docker context 'prodution': there is no such context\. Correct DOCKER_CONTEXT"
    ):
        await _open()


async def test_unknown_context_of_the_configuration_is_refused(config: Path) -> None:
    (config / "config.json").write_text('{"currentContext": "removed"}')
    with pytest.raises(InvalidInput, match="'removed': there is no such context"):
        await _open()


@pytest.mark.parametrize("text", ["{", "[]", '{"Name": "bad"}', '{"Endpoints": {"docker": 1}}'])
async def test_damaged_context_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    _write_context(config, "bad", text)
    monkeypatch.setenv("DOCKER_CONTEXT", "bad")
    with pytest.raises(InvalidInput, match="Docker context 'bad': can't be read"):
        await _open()


async def test_context_without_an_engine_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_context(config, "k8s", json.dumps({"Name": "k8s", "Metadata": {}, "Endpoints": {"kubernetes": {}}}))
    monkeypatch.setenv("DOCKER_CONTEXT", "k8s")
    with pytest.raises(InvalidInput, match="'k8s': has no engine's address"):
        await _open()


async def test_damaged_configuration_is_refused(config: Path) -> None:
    (config / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"config\.json: can't be read"):
        await _open()


def test_known_context_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "works")
    check_context()


@pytest.mark.parametrize("name", ["default", ""])
def test_default_context_needs_no_file(config: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (config / "config.json").unlink()
    monkeypatch.setenv("DOCKER_CONTEXT", name)
    check_context()


def test_docker_host_comes_before_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "prodution")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    check_context()
