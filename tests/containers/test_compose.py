"""The compose file: one command brings up a working fleet, which goes on working when a part of it dies."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from images.animoto.timeline.film import Film
from tests.containers.composed import Composed, until
from tests.containers.docker_cli import SEALED, docker
from tests.support.films import decoded_frames

pytestmark = pytest.mark.timeout(900)
COLOURS = [(200, 30, 40), (20, 180, 60), (10, 40, 220)]
"""The colours of the slideshow's pictures."""


def test_run_completes_although_a_worker_is_killed(composed: Composed) -> None:
    run = composed.push(*["sleep 200"] * 200)
    until(lambda: composed.results(run), "the first results")

    docker("kill", composed.workers()[0])
    composed.client("check", run, "--wait")

    results = composed.results(run)
    assert len(results) == 200
    assert {one["task"] for one in results} == {f"{run}/{number}" for number in range(200)}
    assert Counter(one["state"] for one in results) == {"SUCCEEDED": 200}


def test_stopped_worker_finishes_its_task_and_releases_the_rest(composed: Composed) -> None:
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


def test_workers_run_without_rights_and_are_healthy(composed: Composed) -> None:
    name = composed.workers()[0]
    config = json.loads(docker("inspect", "--format={{json .HostConfig}}", name))

    assert config["ReadonlyRootfs"]
    assert config["CapDrop"] == ["ALL"]
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert docker("exec", name, "id", "-u") == "65532\n"
    look = ("exec", name, "python", "-m", "images.worker.health")
    until(lambda: docker(*look, accept=(0, 1)) == "healthy\n", "the worker to be healthy")


def test_localstack_listens_on_loopback_only(composed: Composed) -> None:
    container = composed.workers("localstack")[0]

    assert set(docker("port", container).split()[2::3]) == {f"127.0.0.1:{composed.port}"}


def test_slideshow_of_pictures_from_a_server_is_pulled_as_a_video(composed: Composed, tmp_path: Path) -> None:
    with _picture_server(composed, tmp_path) as address:
        links = " ".join(f"{address}/{number}.png" for number in range(len(COLOURS)))
        run = composed.push(f"animoto --size 640x360 {links}")
        composed.client("check", run, "--wait")
    composed.client("pull", run, str(tmp_path / "videos"))

    (video,) = (tmp_path / "videos").rglob("*.mp4")
    film = Film(width=640, height=360, fps=30)
    frames = decoded_frames(video, film)
    assert len(frames) == 90
    shown = [frames[second * 30 + 15].mean(axis=(0, 1)) for second in range(3)]
    assert np.allclose(shown, COLOURS, atol=6), "each second must show its picture"


@contextmanager
def _picture_server(composed: Composed, directory: Path) -> Iterator[str]:
    """A web server in a container of its own, with a picture of each colour; yields its address in the network."""
    pictures = directory / "pictures"
    pictures.mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (640, 360), colour).save(pictures / f"{number}.png")
    # The server's user needs access to the folder.
    for path in (pictures, *directory.parents[:2], directory):
        path.chmod(0o755)
    name = f"{composed.project}-pictures"
    serve = ("-m", "http.server", "8000", "--directory", "/pictures")
    mount = f"--volume={pictures}:/pictures:ro"
    network = f"--network={composed.network}"
    docker(
        "run", "--detach", f"--name={name}", network, mount, *SEALED, "--entrypoint=python", "cloudkon/worker", *serve
    )
    try:
        look = f"import urllib.request; urllib.request.urlopen('http://{name}:8000/')"
        until(lambda: docker("exec", name, "python", "-c", f"{look}; print(1)", accept=(0, 1)), "the picture server")
        yield f"http://{name}:8000"
    finally:
        docker("rm", "--force", name)
