from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips

from cloudkon.instructions.animoto import Fit
from images.animoto.pictures import memory_budget as room
from images.animoto.pictures.file_type import Kind
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import normalise
from images.animoto.timeline.film import Film
from tests.support.picture_corpus import encoded, saved, scenery

FILM = Film(160, 90, 30)
MEBIBYTE = 1024**2


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    """Measure the memory again in each test and after it."""
    room.available.cache_clear()
    yield
    room.available.cache_clear()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with half a megabyte for a picture; one of 400 x 300 takes up to 2."""
    monkeypatch.setattr(room, "_LEAST", 500_000)
    monkeypatch.setattr(room, "_RESERVED", 2**62)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "HEIF", "AVIF"])
def test_whole_decodes_are_refused_without_memory(narrow: None, tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "1.picture", encoded(scenery(1, 400, 300), kind))
    named = {"HEIF": "HEIC", "WEBP": "WebP"}.get(kind, kind)
    with pytest.raises(Unusable, match=rf"its 400 x 300 pixels take \d MiB to decode as {named}, but this worker has"):
        normalise(path, FILM, Fit.CONTAIN)


def test_progressive_jpeg_is_refused_without_memory(narrow: None, tmp_path: Path) -> None:
    path = saved(tmp_path / "1.picture", encoded(scenery(1, 400, 300), progressive=True))
    with pytest.raises(Unusable, match="to decode as JPEG"):
        normalise(path, FILM, Fit.CONTAIN)


@pytest.mark.parametrize(("tile", "fits"), [(16, True), (512, False)])
def test_tiff_with_large_tiles_is_refused_without_memory(narrow: None, tmp_path: Path, tile: int, fits: bool) -> None:
    path = tmp_path / "1.picture"
    image = pyvips.Image.black(400, 300, bands=4).cast("ushort").copy(interpretation="rgb16")
    image.tiffsave(str(path), tile=True, tile_width=tile, tile_height=tile)
    if fits:
        assert len(normalise(path, FILM, Fit.CONTAIN)) == FILM.picture_bytes
    else:
        with pytest.raises(Unusable, match="its 400 x 300 pixels take 8 MiB to decode as TIFF, but this worker has"):
            normalise(path, FILM, Fit.CONTAIN)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_pictures_decoded_by_rows_need_no_memory_check(narrow: None, tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "1.picture", encoded(scenery(1, 400, 300), kind))
    assert len(normalise(path, FILM, Fit.CONTAIN)) == FILM.picture_bytes


def test_phone_photo_fits_into_half_a_gigabyte(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room, "_LIMITS", (saved(tmp_path / "memory.max", b"536870912\n"),))
    assert room.available() == 212 * MEBIBYTE
    with room.reserve(Kind.HEIC, 4032, 3024):
        pass
    with pytest.raises(Unusable, match="take 549 MiB to decode as HEIC, but this worker has 212 MiB for that"):
        room.reserve(Kind.HEIC, 8000, 6000)


@pytest.mark.parametrize("said", [b"max\n", b"9223372036854771712\n", b""])
def test_machine_memory_counts_without_a_container_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: bytes
) -> None:
    monkeypatch.setattr(room, "_LIMITS", (saved(tmp_path / "memory.max", said), tmp_path / "none"))
    monkeypatch.setattr(room, "_machine", lambda: 1000 * MEBIBYTE)
    assert room.available() == 700 * MEBIBYTE
