# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

"""Checks that docs/gallery shows what the renderer makes today, for every choice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.render.exhibits import ROOMS
from benchmarks.render.gallery import GALLERY, make_gallery
from cloudkon.instructions.animoto import Fit, Motion, Transition
from cloudkon.instructions.animoto.sizes import Aspect

pytestmark = pytest.mark.long

SHOWN = " ".join(one for room in ROOMS for exhibit in room.exhibits for one in exhibit.instructions)


@pytest.mark.timeout(300)  # it makes a dozen videos, the moving one of which is encoded frame by frame
async def test_gallery_equals_what_its_instructions_make(tmp_path: Path) -> None:
    await make_gallery(tmp_path)
    said = "run: python -m benchmarks.render.gallery"
    assert (tmp_path / "README.md").read_text() == (GALLERY / "README.md").read_text(), said
    names = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert names == sorted(path.name for path in GALLERY.glob("*.jpg")), said
    for name in names:
        with Image.open(tmp_path / name) as made, Image.open(GALLERY / name) as kept:
            assert made.size == kept.size, name
            difference = np.abs(np.asarray(made, int) - np.asarray(kept, int)).mean()
            assert difference < 3, f"{name} looks otherwise now; {said}"


@pytest.mark.parametrize(
    ("option", "choices"), [("transition", Transition), ("fit", Fit), ("aspect", Aspect), ("motion", Motion)]
)
def test_every_choice_is_in_the_gallery(option: str, choices: type[Transition | Fit | Aspect | Motion]) -> None:
    words = {one.value for one in choices} - {"none"}
    assert {word for word in words if f"--{option} {word} " in SHOWN} == words
