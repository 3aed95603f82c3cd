"""The compose file: one command ends in a fleet that works, and goes on working when something of it dies."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from images.animoto.film import Film
from tests.containers.composed import Composed, until
from tests.containers.docker_cli import docker
from tests.unit.animoto.films import frames_of

pytestmark = pytest.mark.timeout(900)
COLOURS = [(200, 30, 40), (20, 180, 60), (10, 40, 220)]
"""Of the pictures in the slideshow."""


def test_a_run_ends_whole_though_a_worker_is_killed_in_its_middle(composed: Composed) -> None:
    run = composed.push(*["sleep 200"] * 200)
    until(lambda: composed.results(run), "the first results")

    docker("kill", composed.workers()[0])
    composed.client("check", run, "--wait")

    results = composed.results(run)
    assert len(results) == 200
    assert {one["task"] for one in results} == {f"{run}/{number}" for number in range(200)}
    assert Counter(one["state"] for one in results) == {"SUCCEEDED": 200}


def test_a_worker_that_is_stopped_ends_its_task_and_gives_the_rest_back(composed: Composed) -> None:
    name = composed.workers()[-1]
    host = docker("inspect", "--format={{.Config.Hostname}}", name).strip()
    run = composed.push(*["sleep 1500"] * 24)
    until(lambda: any(one["worker"].startswith(host) for one in composed.results(run)), f"a result of {name}")

    docker("stop", "--time=40", name)

    assert docker("inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", name).split() == ["0", "false"]
    composed.client("check", run, "--wait")
    results = composed.results(run)
    assert len(results) == 24
    assert {one["attempts"] for one in results} == {1}, "a stop costs no attempt"


def test_the_workers_are_sealed_and_call_themselves_healthy(composed: Composed) -> None:
    name = composed.workers()[0]
    config = json.loads(docker("inspect", "--format={{json .HostConfig}}", name))

    assert config["ReadonlyRootfs"]
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert docker("exec", name, "id", "-u") == "65532\n"
    assert docker("exec", name, "python", "-m", "images.worker.health") == "the worker turns\n"


def test_nothing_listens_beyond_this_machine(composed: Composed) -> None:
    container = composed.workers("localstack")[0]

    assert set(docker("port", container).split()[2::3]) == {f"127.0.0.1:{composed.port}"}


def test_a_slideshow_of_pictures_on_this_machine_comes_home_as_a_video(composed: Composed, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (640, 360), colour).save(pictures / f"{number}.png")
    instructions, videos = tmp_path / "shows.txt", tmp_path / "videos"

    composed.client(
        "animoto", "1", "--pictures", "3", "-o", str(instructions), "--from", str(pictures), "--", "--size", "640x360"
    )
    run = composed.client("push", str(instructions)).split()[-1]
    composed.client("check", run, "--wait")
    composed.client("pull", run, str(videos))

    (video,) = videos.rglob("*.mp4")
    film = Film(width=640, height=360, fps=30, seconds=Fraction(1))
    frames = frames_of(video, film)
    assert len(frames) == 90
    shown = [frames[second * 30 + 15].mean(axis=(0, 1)) for second in range(3)]
    assert np.allclose(shown, COLOURS, atol=6), "each second shows its picture"


def test_down_leaves_nothing(composed: Composed) -> None:
    """The last one: it takes the fleet of this module down."""
    assert len(composed.left()) > 6, "LocalStack, six of the images, and a network"

    composed.compose("down", "--volumes")

    assert composed.left() == []
