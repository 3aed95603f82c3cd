"""The local fleet from the command line: up, scale, status, logs and down, and the death of every process."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import trio

from cloudkon.aws import connect
from cloudkon.model import Outgoing
from cloudkon.ports import Queue
from fleet.local.identity import marks
from fleet.local.processes.process import marked
from tests.integration.fleet.conftest import CommandLine
from tests.support.patience import PATIENCE, until


def _queue(fleet: CommandLine, name: str = "worker") -> Queue:
    return connect(fleet.settings).queues[name]


def _send(fleet: CommandLine, body: str) -> None:
    trio.run(_queue(fleet).send, [Outgoing(body)])


def _receive(fleet: CommandLine) -> list[str]:
    return [one.body for one in trio.run(_queue(fleet).receive, 10, 0, 0)]


def _supervisors(fleet: CommandLine) -> int:
    return fleet.log("supervisor").count('"action": "started"')


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["scale", "2"], ["logs"]])
def test_commands_without_a_fleet_name_the_command_that_starts_one(fleet: CommandLine, arguments: list[str]) -> None:
    out, err = fleet.run(*arguments, code=2)
    assert out == ""
    assert err.startswith("error: fleet 'cloudkon': no local fleet is up here")
    assert "python -m fleet up" in err


def test_down_without_a_fleet_is_no_error_and_creates_nothing(fleet: CommandLine) -> None:
    assert "nothing is up here" in fleet.run("down")[1]
    assert list(fleet.directory.iterdir()) == []


@pytest.mark.long
def test_up_can_be_repeated_and_run_twice_at_once(fleet: CommandLine) -> None:
    both = [fleet.start("up"), fleet.start("up")]
    endpoints = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    endpoints.add(fleet.run("up")[0])
    assert len(endpoints) == 1
    assert _supervisors(fleet) == 1
    assert len(fleet.processes("emulator")) == 2  # and its shim
    assert fleet.settings.service_endpoint() == endpoints.pop().strip()


def test_status_counts_workers_and_messages(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("scale", "2")
    _send(fleet, "waiting")
    trio.run(connect(fleet.settings).dead_letters["animoto"].send, [Outgoing("dead")])
    status = fleet.status()
    worker, animoto = status["pools"]["worker"], status["pools"]["animoto"]
    assert (worker["desired"], worker["running"], worker["restarts"]) == (2, 2, 0)
    assert (worker["visible"], worker["in_flight"], worker["delayed"], worker["dead_letters"]) == (1, 0, 0, 0)
    assert (animoto["running"], animoto["visible"], animoto["dead_letters"]) == (0, 0, 1)
    assert status["problems"] == []
    assert status["emulator"]["pid"] in [process.pid for process in fleet.processes("emulator")]
    assert "worker         2         0        1" in fleet.run("status")[0]


@pytest.mark.long
def test_killed_workers_are_restarted_and_surplus_ones_are_stopped(fleet: CommandLine) -> None:
    fleet.run("up")
    assert fleet.run("scale", "3")[0] == "pool worker: 3 running\n"
    before = fleet.workers()
    assert sorted(before) == ["worker-1", "worker-2", "worker-3"]
    os.kill(before["worker-1"], signal.SIGKILL)
    until(lambda: fleet.workers()["worker-1"] not in (0, before["worker-1"]))
    assert fleet.status()["pools"]["worker"]["restarts"] == 1

    fleet.run("scale", "1")
    assert list(fleet.workers()) == ["worker-1"]
    assert all('"stopped"' in fleet.log(name) for name in ("worker-2", "worker-3"))
    assert '"stopped"' not in fleet.log("worker-1")
    fleet.run("scale", "1", "--pool", "animoto")
    assert '"pool": "animoto"' in fleet.log("animoto-1")
    fleet.run("scale", "0")
    assert fleet.workers() == {}
    assert len(fleet.processes("animoto-1")) == 2  # and its shim


@pytest.mark.long
def test_workers_get_the_users_settings_and_the_emulators_endpoint(fleet: CommandLine) -> None:
    endpoint = fleet.run("up", CLOUDKON_LEASE_SECONDS="17", CLOUDKON_SLOTS="3")[0].strip()
    assert "settings" not in fleet.run("scale", "1")[1], "the settings need not be given again"
    log = fleet.log("worker-1")
    assert f'"CLOUDKON_ENDPOINT_URL": "{endpoint}"' in log
    assert f'"CLOUDKON_STATE_DIR": "{fleet.state_dir.path}"' in log
    assert '"CLOUDKON_LEASE_SECONDS": "17.0"' in log
    assert '"CLOUDKON_SLOTS": "3"' in log
    assert '"CLOUDKON_POLL_SECONDS": "2.0"' in log  # so that a stopping worker does not wait for a long poll
    assert "keeps the settings that it was started with" in fleet.run("up")[1]
    err = fleet.run("scale", "1", CLOUDKON_LEASE_SECONDS="17", CLOUDKON_ALLOW_EXEC="yes")[1]
    assert "settings of up: CLOUDKON_ALLOW_EXEC has no effect" in err


@pytest.mark.long
def test_killed_emulator_is_restarted_at_its_address_with_its_stack(fleet: CommandLine) -> None:
    endpoint = fleet.run("up")[0]
    before = fleet.status()["emulator"]["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: fleet.status()["emulator"]["pid"] not in (0, before))
    assert fleet.run("up")[0] == endpoint
    _send(fleet, "after")
    assert _receive(fleet) == ["after"]
    (problem,) = fleet.status()["problems"]
    assert "it was killed by signal 9" in problem
    assert "some tasks may run again" in problem


@pytest.mark.long
def test_killed_supervisor_is_reported_and_up_repairs_it(fleet: CommandLine) -> None:
    endpoint = fleet.run("up")[0]
    fleet.run("scale", "2")
    _send(fleet, "waiting")
    before = fleet.processes()
    fleet.supervisor().send(signal.SIGKILL)
    until(lambda: not fleet.supervisor().is_alive())
    for arguments in (["status"], ["scale", "3"]):
        assert "its supervisor has died" in fleet.run(*arguments, code=2)[1]

    out, err = fleet.run("up")
    assert out == endpoint
    assert "stopping 3 processes that a killed supervisor left running" in err
    assert not any(process.is_alive() for process in before)
    until(lambda: fleet.status()["pools"]["worker"]["running"] == 2)
    assert _receive(fleet) == ["waiting"]  # the emulator got SIGTERM and saved its data


@pytest.mark.long
def test_down_cleans_up_after_a_killed_supervisor(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("scale", "2")
    fleet.supervisor().send(signal.SIGKILL)
    until(lambda: not fleet.supervisor().is_alive())
    assert len(fleet.processes()) == 6  # the emulator, two workers, and their shims
    fleet.run("down")
    assert fleet.processes() == []
    assert fleet.run("status", code=2)[1].count("no local fleet is up here") == 1


@pytest.mark.long
def test_process_that_reuses_a_recorded_pid_is_not_stopped(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("scale", "1")
    fleet.run("down")
    # As after a reboot: the state names processes that have ended, and other processes have their pids.
    sleeper = fleet.start("logs", "--follow")
    try:
        text = (Path(__file__).with_name("record_of_another_boot.json")).read_text().replace('"PID"', str(sleeper.pid))
        (fleet.state_dir.path / "observed.json").write_text(text)
        fleet.run("up")
        fleet.run("down")
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.communicate()


@pytest.mark.long
def test_down_stops_everything_and_keeps_messages_and_objects(fleet: CommandLine) -> None:
    endpoint = fleet.run("up")[0]
    fleet.run("scale", "2")
    _send(fleet, "kept")
    trio.run(connect(fleet.settings).store.put, "videos/a", b"kept", "video/mp4", {})
    fleet.run("down")
    assert fleet.processes() == []
    assert '"stopped"' in fleet.log("worker-1")

    assert fleet.run("up")[0] == endpoint
    assert fleet.workers() == {}
    assert _receive(fleet) == ["kept"]
    address = connect(fleet.settings).store.address("videos/a")
    assert trio.run(connect(fleet.settings).store.head, address).size == 4

    fleet.run("down", "--delete-data")
    assert not fleet.state_dir.data.exists()
    fleet.run("up")
    assert _receive(fleet) == []


@pytest.mark.long
def test_worker_that_does_not_stay_up_is_reported_with_its_last_log_lines(fleet: CommandLine) -> None:
    fleet.run("up")
    (fleet.state_dir.path / "broken").write_text("ModuleNotFoundError: No module named 'numpy'")
    err = fleet.run("scale", "1", code=1)[1]
    assert "worker-1 does not stay up" in err
    assert "it exited with code 3" in err
    assert "No module named 'numpy'" in err
    assert any("worker-1 does not stay up" in problem for problem in fleet.status()["problems"])
    (fleet.state_dir.path / "broken").unlink()
    until(lambda: fleet.status()["problems"] == [])


@pytest.mark.long
def test_emulator_that_does_not_start_leaves_nothing_running(fleet: CommandLine) -> None:
    without_ministack = fleet.directory / "ministack"
    without_ministack.write_text(f"#!{sys.executable}\n")
    without_ministack.chmod(0o755)
    err = fleet.run("up", code=1, CLOUDKON_EMULATOR=str(without_ministack))[1]
    assert "the fleet is not up: emulator does not stay up" in err
    assert "No module named 'ministack'" in err
    assert fleet.processes() == []
    fleet.run("up")


@pytest.mark.long
def test_removed_state_directory_stops_the_fleet(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("scale", "1")
    own_marks = marks("", fleet.state_dir.path)
    while fleet.state_dir.path.exists():  # a snapshot written meanwhile keeps its folder
        shutil.rmtree(fleet.state_dir.path, ignore_errors=True)
    until(lambda: marked(own_marks) == [])


@pytest.mark.long
def test_two_fleets_can_not_share_a_state_directory(fleet: CommandLine) -> None:
    fleet.run("up")
    for arguments in (["up"], ["scale", "1"]):
        err = fleet.run(*arguments, code=2, CLOUDKON_FLEET="other")[1]
        assert "belongs to the fleet 'cloudkon'" in err
        assert "CLOUDKON_STATE_DIR" in err


@pytest.mark.parametrize("arguments", [["logs", "--follow"], ["status", "--watch"]])
def test_watching_goes_on_until_interrupted(fleet: CommandLine, arguments: list[str]) -> None:
    fleet.run("up")
    fleet.run("scale", "1")
    watching = fleet.start(*arguments)
    assert watching.stdout
    try:
        assert "worker" in watching.stdout.read(120)
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=PATIENCE)
    finally:
        watching.kill()
        watching.communicate()
    assert watching.returncode == 130
    assert "Traceback" not in err


@pytest.mark.long
def test_logs_show_the_given_pool_even_after_down(fleet: CommandLine) -> None:
    fleet.run("up")
    fleet.run("scale", "2")
    fleet.run("scale", "1", "--pool", "animoto")
    fleet.run("down")
    lines = fleet.run("logs", "--pool", "worker", "--lines", "1")[0].splitlines()
    assert sorted(line.partition(" | ")[0] for line in lines) == ["worker-1", "worker-2"]
    assert all('"stopped"' in line for line in lines)
    assert "animoto-1 | " in fleet.run("logs")[0]
