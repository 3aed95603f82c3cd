"""The images: what they contain, that they run without rights, and that the suites pass inside them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.containers.building import Build, built
from tests.containers.docker_cli import SEALED, docker
from tests.containers.suites import passes

pytestmark = pytest.mark.timeout(900)
NOT_FOR_RUNNING = ("gcc", "cc", "make", "git", "npm", "curl", "wget", "ffmpeg", "ffprobe")
"""Programs that would only add size or help an intruder."""


@pytest.fixture(params=["worker", "animoto"])
def image(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_image"))


def inspected(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


@pytest.mark.parametrize(("pool", "megabytes"), [("worker", 150), ("animoto", 450)])
def test_images_are_small(request: pytest.FixtureRequest, pool: str, megabytes: int) -> None:
    image = inspected(request.getfixturevalue(f"{pool}_image"))

    assert image["Size"] < megabytes * 1_000_000


def test_images_declare_user_entry_point_and_health_check(image: str) -> None:
    config = inspected(image)["Config"]

    assert config["User"] == "65532:65532", "a number, so that root can be excluded without inspecting the image"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"][:3] == ["tini", "-s", "--"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "images.worker.health"]
    assert {"org.opencontainers.image.version", "org.opencontainers.image.revision"} <= config["Labels"].keys()


def test_images_contain_no_build_tools_or_caches(image: str) -> None:
    look = (
        f"for program in {' '.join(NOT_FOR_RUNNING)}; do command -v $program; done; "
        "find / -xdev \\( -path '*/.cache/pip' -o -path '/var/lib/apt/lists/*' -o -path '/build*' \\) 2>/dev/null; true"
    )

    assert docker("run", *SEALED, "--entrypoint=sh", image, "-c", look) == ""


def test_worker_needs_no_rights_and_writes_to_memory_only(worker_image: str, workload: Path) -> None:
    output = docker(
        "run",
        *SEALED,
        "--network=none",
        f"--volume={workload}:/five.txt:ro",
        worker_image,
        "--local",
        "/five.txt",
        "--json",
    )

    assert json.loads(output)["succeeded"] == 5


def test_orphans_of_a_command_line_are_reaped(worker_image: str, tmp_path: Path) -> None:
    count_zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"
    workload = tmp_path / "orphans.txt"
    workload.write_text(f"exec (setsid true &)\nexec sleep 1; {count_zombies}; test $({count_zombies}) -eq 0\n")
    workload.chmod(0o644)

    output = docker(
        "run",
        *SEALED,
        "--env=CLOUDKON_ALLOW_EXEC=yes",
        f"--volume={workload}:/orphans.txt:ro",
        worker_image,
        "--local",
        "/orphans.txt",
        "--json",
    )

    assert json.loads(output)["succeeded"] == 2


def test_command_line_reads_no_credentials_in_any_process(worker_image: str, tmp_path: Path) -> None:
    workload = tmp_path / "curious.txt"
    look = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    workload.write_text(f"exec {look} | grep -c CLOUDKON_TASK; ! {look} | grep -q hidden && ! cat /proc/1/environ\n")
    workload.chmod(0o644)

    output = docker(
        "run",
        *SEALED,
        "--env=CLOUDKON_ALLOW_EXEC=yes",
        "--env=CLOUDKON_MAX_ATTEMPTS=1",
        "--env=AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/hidden",
        f"--volume={workload}:/curious.txt:ro",
        worker_image,
        "--local",
        "/curious.txt",
        "--json",
    )

    assert json.loads(output)["succeeded"] == 1


def test_health_check_of_a_container_without_a_worker_fails(worker_image: str) -> None:
    output = docker("run", *SEALED, "--entrypoint=python", worker_image, "-m", "images.worker.health", accept=(1,))

    assert "has not started yet" in output


def test_worker_without_a_fleet_exits_with_one_line(worker_image: str) -> None:
    output = docker(
        "run",
        *SEALED,
        "--network=none",
        "--env=CLOUDKON_TARGET=docker",
        "--env=AWS_ENDPOINT_URL=http://127.0.0.1:1",
        "--entrypoint=sh",
        worker_image,
        "-c",
        "python -m images.worker 2>&1",
        accept=(1,),
    )

    (line,) = output.splitlines()
    assert json.loads(line)["action"] == "failed"
    assert "http://127.0.0.1:1" in line


@pytest.mark.parametrize(("memory", "failed"), [("256m", 1), ("2g", 0)])
def test_task_that_exceeds_the_memory_fails_alone(worker_image: str, tmp_path: Path, memory: str, failed: int) -> None:
    workload = tmp_path / "memory.txt"
    workload.write_text("sleep 10\n" * 4 + "exec python -c 'bytearray(1_000_000_000)'\n" + "sleep 10\n" * 4)
    workload.chmod(0o644)

    output = docker(
        "run",
        *SEALED,
        f"--memory={memory}",
        f"--memory-swap={memory}",
        "--env=CLOUDKON_ALLOW_EXEC=yes",
        f"--volume={workload}:/memory.txt:ro",
        worker_image,
        "--local",
        "/memory.txt",
        "--json",
        accept=(failed,),
    )

    summary = json.loads(output)
    assert (summary["succeeded"], summary["failed"]) == (9 - failed, failed)


def test_ffmpeg_of_the_animoto_image_has_the_renderers_encoder(animoto_image: str) -> None:
    ask = "import subprocess, imageio_ffmpeg as i; subprocess.run([i.get_ffmpeg_exe(), '-hide_banner', '-encoders'])"

    assert " libx264 " in docker("run", *SEALED, "--entrypoint=python", animoto_image, "-c", ask)


def test_own_handlers_run_in_an_image_built_on_the_workers(
    worker_image: str, throwaway_tag: str, tmp_path: Path
) -> None:
    example = "examples/own_handlers"
    built(Build(throwaway_tag, f"{example}/Dockerfile", example))
    workload = tmp_path / "primes.txt"
    workload.write_text("primes 1000\nprimes 1000000\nprimes many\n")
    workload.chmod(0o644)

    output = docker(
        "run",
        *SEALED,
        "--network=none",
        f"--volume={workload}:/primes.txt:ro",
        throwaway_tag,
        "--local",
        "/primes.txt",
        "--json",
        accept=(1,),
    )

    summary = json.loads(output)
    assert (summary["succeeded"], summary["failed"]) == (2, 1)


def test_suites_pass_on_the_images_python(worker_image: str) -> None:
    """The lock serves two Pythons, and the image's libraries are other files than those that run this test.

    The contract suite runs on the memory back end, which needs no program; ``test_fleet_docker.py`` uses LocalStack.
    Left out is what does not run in an image: the client, the commands of the fleet, models, benchmarks and pages.
    """
    elsewhere = ("protocol", "benchmarks", "client", "demo", "docs", "fleet", "terminal")
    passes("tests/unit", "tests/contract", "-k=unit or memory", *(f"--ignore=tests/unit/{one}" for one in elsewhere))
