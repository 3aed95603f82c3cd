"""The emulator's environment is installed once, and again if it is partial or of another lock file."""

import os
import sys
from pathlib import Path

import pytest

from cloudkon.errors import EXIT_FAILED, CloudKonError, InvalidInput
from fleet.local import emulator_installation as installation
from fleet.local.emulator_installation import EXECUTABLE, ensure_installed, interpreter, interpreter_of
from fleet.local.emulator_process import emulator_command
from fleet.local.listener import listen, port_of
from fleet.local.state_dir import StateDir


def _make_python(directory: Path) -> None:
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").touch()


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    monkeypatch.delenv(EXECUTABLE, raising=False)
    lock = tmp_path / "emulator.txt"
    lock.write_text("ministack==1 --hash=sha256:00\n")
    monkeypatch.setattr(installation, "LOCK", lock)
    return StateDir(tmp_path / "state")


class Pip:
    """Replaces venv and pip: creates their files, or fails like them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[tuple[str, ...]] = []
        self.fails = False
        monkeypatch.setattr(installation, "_run", self)

    async def __call__(self, *command: str) -> None:
        self.runs.append(command)
        if "venv" in command:
            _make_python(Path(command[-1]))
        elif self.fails:
            raise CloudKonError("pip fails")


async def test_emulator_is_installed_once_with_hashes(state_dir: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    pip, reported = Pip(monkeypatch), list[str]()
    await ensure_installed(state_dir, reported.append)
    await ensure_installed(state_dir, reported.append)
    assert len(pip.runs) == 2
    assert "--require-hashes" in pip.runs[1]
    assert len(reported) == 1
    assert interpreter(state_dir) == state_dir.installation / "bin/python"


async def test_partial_installation_is_made_again(state_dir: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(monkeypatch)
    pip.fails = True
    with pytest.raises(CloudKonError):
        await ensure_installed(state_dir, lambda _: None)
    (state_dir.installation / "half").touch()
    pip.fails = False
    await ensure_installed(state_dir, lambda _: None)
    assert len(pip.runs) == 4
    assert not (state_dir.installation / "half").exists()


async def test_installation_of_another_lock_file_is_made_again(
    state_dir: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip(monkeypatch)
    await ensure_installed(state_dir, lambda _: None)
    installation.LOCK.write_text("ministack==2 --hash=sha256:11\n")
    await ensure_installed(state_dir, lambda _: None)
    assert len(pip.runs) == 4


async def test_failing_command_is_reported_in_one_line(state_dir: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation.sys, "executable", "/bin/sh")  # type: ignore[attr-defined]  # the module's own import
    with pytest.raises(CloudKonError) as caught:
        await ensure_installed(state_dir, lambda _: None)
    assert caught.value.exit_code == EXIT_FAILED
    assert "Nothing was started" in str(caught.value)
    assert EXECUTABLE in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_missing_lock_file_is_reported_with_the_remedy(state_dir: StateDir) -> None:
    installation.LOCK.unlink()
    with pytest.raises(InvalidInput, match=EXECUTABLE):
        await ensure_installed(state_dir, lambda _: None)


async def test_users_own_executable_is_used_instead_of_an_installation(
    state_dir: StateDir, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip, own = Pip(monkeypatch), tmp_path / "ministack"
    monkeypatch.setenv(EXECUTABLE, str(own))
    with pytest.raises(InvalidInput, match="not an executable file"):
        await ensure_installed(state_dir, lambda _: None)
    own.touch(mode=0o755)
    with pytest.raises(InvalidInput, match="neither its first line nor its directory names the Python"):
        await ensure_installed(state_dir, lambda _: None)
    own.write_text(f"#!{sys.executable}\n")
    await ensure_installed(state_dir, lambda _: None)
    assert pip.runs == []
    assert interpreter(state_dir) == Path(sys.executable)


def test_interpreter_is_found_as_pip_and_pipx_install_scripts(tmp_path: Path) -> None:
    binaries = tmp_path / "some directory" / "bin"
    _make_python(binaries.parent)
    python, script, link = binaries / "python", binaries / "ministack", tmp_path / "ministack"
    python.chmod(0o755)
    script.touch(mode=0o755)
    link.symlink_to(script)
    script.write_text(f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n")
    assert interpreter_of(script) == Path(sys.executable)
    script.write_text("#!/usr/bin/env python3\n")
    assert interpreter_of(script) == python
    assert interpreter_of(link) == python


def test_emulator_listens_on_loopback_only_without_the_users_aws_settings(
    state_dir: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "USE_SSL", "EDGE_PORT", "PYTHONPATH", "MINISTACK_HOST"):
        monkeypatch.setenv(name, "the user's")
    with listen() as listener:
        command = emulator_command(state_dir, listener, "some")
        port, descriptor = port_of(listener), listener.fileno()
    environment = command.environment
    assert "the user's" not in environment.values()
    assert (environment["BIND_HOST"], environment["GATEWAY_PORT"]) == ("127.0.0.1", str(port))
    assert (environment["CLOUDKON_EMULATOR_LISTENER"], command.descriptors) == (str(descriptor), (descriptor,))
    assert environment["PATH"] == os.environ["PATH"]
