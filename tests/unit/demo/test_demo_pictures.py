"""The demo's pictures show the right fractals without seams, are complete, and are rendered once."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from demo import pictures
from demo.colour import PALETTES, coloured
from demo.fractal import SIDE, fields
from demo.scene import LANDSCAPE, PORTRAIT, SCENES, Formula, Scene

WHOLE = Scene("whole", "frost", -0.5 + 0j, 4.0, iterations=64)


def at(image: Image.Image, scene: Scene, point: complex) -> float:
    """Return a field's value at a point of the plane, for a scene that is not turned."""
    step = scene.width / image.width
    place = (point - scene.centre) / step
    value = image.getpixel((round(place.real + image.width / 2), round(place.imag + image.height / 2)))
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize(
    ("formula", "constant", "inside", "outside"),
    [
        (Formula.QUADRATIC, None, [0j, -1 + 0j, -0.1 + 0.7j], [1 + 0j, -1 + 1j, 0.5 + 0j]),
        (Formula.QUADRATIC, 0j, [0j, 0.9j, -0.6 + 0.6j], [1.1 + 0j, 0.8 + 0.8j]),
        (Formula.CUBIC, 0j, [0j, 0.9j, -0.6 + 0.6j], [1.1 + 0j, 0.8 + 0.8j]),
        (Formula.BURNING_SHIP, None, [0j, -1 - 0.02j], [1 + 0j, -1 + 1j]),
    ],
)
def test_known_points_are_inside_or_outside_the_set(
    formula: Formula, constant: complex | None, inside: list[complex], outside: list[complex]
) -> None:
    scene = replace(WHOLE, formula=formula, constant=constant)
    found = fields(scene, (400, 300))
    assert [at(found.inside, scene, point) for point in inside] == [1.0] * len(inside)
    assert [at(found.inside, scene, point) for point in outside] == [0.0] * len(outside)


def test_points_nearer_to_the_set_take_longer_to_escape() -> None:
    escape = fields(WHOLE, (400, 300)).escape
    times = [at(escape, WHOLE, complex(real, 0)) for real in (1.4, 1.0, 0.7, 0.5, 0.35)]
    assert times == sorted(times)


def test_picture_of_several_tiles_has_no_seams() -> None:
    size = (SIDE + 44, SIDE + 20)
    escape = fields(replace(WHOLE, centre=2 + 2j, width=1.0), size).escape
    for y in (10, SIDE - 1, SIDE, SIDE + 10):
        row = [escape.getpixel((x, y)) for x in range(SIDE - 3, SIDE + 3)]
        steps = [abs(after - before) for before, after in pairwise(row)]  # type: ignore[operator]  # one band: floats
        assert max(steps) < 3 * min(steps), row


def test_every_scene_renders_a_different_picture() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES)
    assert {scene.palette for scene in SCENES} == set(PALETTES)
    assert {scene.size for scene in SCENES} == {LANDSCAPE, PORTRAIT}
    seen = set()
    for scene in SCENES:
        small = (scene.size[0] // 50, scene.size[1] // 50)
        picture = coloured(fields(scene, small), scene.palette, scene.cycles, small)
        assert (picture.width, picture.height, picture.bands, picture.format) == (*small, 3, "uchar")
        data = bytes(picture.write_to_memory())
        # The picture shows something: no band is one flat colour.
        assert min(ImageStat.Stat(Image.frombytes("RGB", small, data)).stddev) > 10, scene.name
        seen.add(data)
    assert len(seen) == len(SCENES)


def test_only_missing_pictures_are_rendered_and_each_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [replace(WHOLE, name=name, size=(61, 40)) for name in ("one", "two", "three")]
    monkeypatch.setattr(pictures, "SCENES", scenes)
    folder = tmp_path / "pictures"
    totals: list[int] = []
    steps: list[None] = []
    assert pictures.make_pictures(folder, totals.append, lambda: steps.append(None)) == 3
    (folder / "02-two.jpg").unlink()
    before = (folder / "01-one.jpg").stat().st_mtime_ns
    assert pictures.make_pictures(folder, totals.append, lambda: steps.append(None)) == 1
    assert (totals, len(steps)) == ([3, 1], 4)
    assert sorted(path.name for path in folder.iterdir()) == ["01-one.jpg", "02-two.jpg", "03-three.jpg"]
    assert (folder / "01-one.jpg").stat().st_mtime_ns == before
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.size) == ("JPEG", (61, 40))
