"""The animoto image in a container with little memory, where /tmp and its files use memory too."""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
import pyvips
import trio

from cloudkon.model import ANIMOTO
from tests.containers.docker_cli import SEALED, docker
from tests.support.emulator import deploy, emulator
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.picture_corpus import encoded, scenery
from tests.support.web import Web

pytestmark = pytest.mark.timeout(600)
MEMORY = "512m"
PICTURES = 60
SIDE = 6500
"""The side of large pictures, in pixels."""


@pytest.fixture
def fleet() -> Iterator[EmulatedFleet]:
    with emulator() as endpoint:
        settings = deploy(endpoint, f"test-{secrets.token_hex(3)}")
        yield EmulatedFleet(replace(settings, allow_private_links=True))


def run_worker(image: str, fleet: EmulatedFleet) -> None:
    """Run a worker until the queue is empty, in a container with ``MEMORY`` and no swap."""
    variables = [f"--env={name}={text}" for name, text in fleet.settings.to_environment().items()]
    limits = f"--memory={MEMORY}", f"--memory-swap={MEMORY}"
    docker("run", *SEALED, "--network=host", *limits, *variables, image, "--until-empty", seconds=400)


def test_half_a_gigabyte_suffices_for_a_video_and_names_pictures_too_large(
    animoto_image: str, fleet: EmulatedFleet
) -> None:
    """Sixty pictures of 1080p, and three of 42 megapixels, of which one can be shrunk while it is decoded."""
    large = pyvips.Image.black(SIDE, SIDE, bands=3).copy(interpretation="srgb")
    deep = large.cast("ushort").copy(interpretation="rgb16")
    with Web() as web:
        links = [web.add(f"/{seed}.jpg", encoded(scenery(seed, 1920, 1080))) for seed in range(PICTURES)]
        oversized = [
            web.add("/monster.jpg", large.jpegsave_buffer()),
            web.add("/monster.gif", large.gifsave_buffer(effort=1)),
            web.add("/monster.png", deep.pngsave_buffer(interlace=True, compression=1)),
        ]
        run = fleet.push(
            f"animoto --transition crossfade {' '.join(links)}",
            f"animoto --on-missing skip {' '.join(oversized)}",
            pool=ANIMOTO.name,
        )
        run_worker(animoto_image, fleet)
    results = fleet.results(run)
    assert [(one.state.name, one.error, one.attempts) for one in results.values()] == [("SUCCEEDED", "", 1)] * 2
    facts = trio.run(fleet.services.store.head, results[0].output).facts
    assert (facts["pictures"], facts["missing"], facts["renderer"][:7]) == (str(PICTURES), "0", "written")
    address, remarks = results[1].output.split(" ", 1)
    assert trio.run(fleet.services.store.head, address).facts["pictures"] == "1"
    for number, kind in ((2, "GIF"), (3, "PNG")):
        assert f"picture {number}, {oversized[number - 1]}: its {SIDE} x {SIDE} pixels take" in remarks
        assert f"to decode as {kind}, but this worker has 212 MiB for that" in remarks
