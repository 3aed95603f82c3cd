"""Small pictures that would take much memory or time are refused by their heads, and the limit of memory holds."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudkon.instructions.animoto import Fit
from images.animoto.ffmpeg.memory_allocation import data_limit, limited_memory
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import normalise
from images.animoto.timeline.film import Film
from tests.support import hostile_pictures as hostile
from tests.support.picture_corpus import encoded, flat, saved
from tests.unit.animoto.test_animoto_hostile import ROOT, decoded_elsewhere

MEBIBYTE = 1024**2
PNG_TEXT = b"zTXt", b"a\0\0" + hostile.inflating(5 * MEBIBYTE)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "samples": (lambda: hostile.tiff_of(64, 1600, 4000, rows=16), "a TIFF of 4,000 samples a pixel; the most is 16"),
    "planes": (lambda: hostile.tiff_of(1000, 1000, 300, planes=2), "a TIFF of 300 samples a pixel; the most is 16"),
    "seventeen": (lambda: hostile.tiff_of(64, 36, 17), "a TIFF of 17 samples a pixel; the most is 16"),
    "bits": (lambda: hostile.tiff_of(64, 36, 3, bits=64), "a TIFF of 64 bits a sample; the most is 32"),
    "scans": (lambda: hostile.jpeg_of_scans(5000, 5000, 800), "a JPEG of more than 100 scans"),
    "tiles": (lambda: hostile.heif_grid("AVIF", 4000, 4, 4, (64, 64)), "its parts have 256,004,096 pixels in all"),
    "text": (lambda: hostile.png(*[PNG_TEXT] * 2), "more than 8,388,608 bytes of texts and profiles"),
    "bands": (lambda: hostile.tiff_of(10_000, 10_000, 6, rows=100), "of 6 samples are more than 500 million"),
    "layers": (lambda: hostile.heif_overlay("HEIF", 3000, 50), "its parts have 450,004,096 pixels in all"),
}
ACCEPTED: dict[str, Callable[[], bytes]] = {
    "text.png": lambda: hostile.png((b"zTXt", b"a\0\0" + hostile.inflating(4 * MEBIBYTE))),
    "late.png": lambda: hostile.png(after=[(b"iTXt", b"a\0\1\0\0\0" + hostile.inflating(4 * MEBIBYTE))]),
    "profile.png": lambda: hostile.png((b"iCCP", b"a\0\0" + hostile.inflating(4 * MEBIBYTE))),
    "comment.gif": lambda: hostile.gif_with_comment(2 * MEBIBYTE),
    "grid.heic": lambda: hostile.heif_grid("HEIF", 64, 4, 4),
    "alpha.avif": lambda: hostile.heif_alpha("AVIF", 64, 64),
    "overlay.avif": lambda: hostile.heif_overlay("AVIF", 64, 1),
    "eight.tiff": lambda: hostile.tiff_of(64, 36, 8),
    "planar.tiff": lambda: hostile.tiff_of(64, 36, 3, planes=2),
    "scans.jpg": lambda: hostile.jpeg_of_scans(64, 36, 98),
}


@pytest.mark.long
def test_hostile_heads_are_refused_before_a_decoder_starts(tmp_path: Path) -> None:
    files = [saved(tmp_path / name, make()) for name, (make, _says) in REFUSED.items()]
    assert max(file.stat().st_size for file in files) < 100_000
    found = decoded_elsewhere(*files)
    for name, (_make, says) in REFUSED.items():
        assert says in found.reasons[name]
    assert found.peak < 120, "MiB; each takes 500 to 5,000"


def test_unusual_pictures_are_decoded_in_little_memory(tmp_path: Path) -> None:
    found = decoded_elsewhere(*(saved(tmp_path / name, make()) for name, make in ACCEPTED.items()))
    assert found.reasons == dict.fromkeys(ACCEPTED, "")
    assert found.peak < 120, "MiB; the text of one PNG takes 20 of them"


LIMITED = """
import json, sys
from pathlib import Path
from cloudkon.instructions.animoto import Fit
from images.animoto.ffmpeg.memory_allocation import limited_memory
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import normalise
from images.animoto.timeline.film import Film

found = {}
with limited_memory(640):
    for path in map(Path, sys.argv[1:]):
        try:
            normalise(path, Film(160, 90, 30), Fit.CONTAIN)
            found[path.name] = ""
        except Unusable as error:
            found[path.name] = error.reason
    try:
        bytearray(700 * 1024**2)
        found["more"] = ""
    except MemoryError:
        found["more"] = "refused"
bytearray(700 * 1024**2)
print(json.dumps(found))
"""


@pytest.mark.long
def test_pictures_are_measured_against_the_memory_limit_of_the_process(tmp_path: Path) -> None:
    files = {
        "alpha": hostile.heif_alpha("AVIF", 64, 6000),
        "grid": hostile.heif_grid("HEIF", 6000, 1, 1, (64, 64)),
        "planar": hostile.tiff_of(5000, 5000, 8, bits=16, planes=2),
        "floats": hostile.tiff_of(12_500, 1600, 8, bits=32, rows=8),
        "photo": encoded(flat((200, 30, 40), 4000, 3000)),
    }
    command: list[str | Path] = [
        sys.executable,
        "-c",
        LIMITED,
        *(saved(tmp_path / name, data) for name, data in files.items()),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    assert "to decode as AVIF, but this worker has 340 MiB for that" in found["alpha"]
    assert "to decode as HEIC, but this worker has 340 MiB for that" in found["grid"]
    assert "to decode as TIFF, but this worker has 340 MiB for that" in found["planar"]
    assert "to decode as TIFF, but this worker has 340 MiB for that" in found["floats"]
    assert found["photo"] == ""
    assert found["more"] == "refused"


def test_lower_memory_limit_stays_and_is_set_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA), resource.getrlimit(resource.RLIMIT_AS)
    with limited_memory(8192):
        assert data_limit() == 8192 * MEBIBYTE
        with limited_memory(16384):
            assert data_limit() == 8192 * MEBIBYTE
        assert resource.getrlimit(resource.RLIMIT_AS)[0] == 12288 * MEBIBYTE
    assert (resource.getrlimit(resource.RLIMIT_DATA), resource.getrlimit(resource.RLIMIT_AS)) == before


@pytest.mark.parametrize(
    "head", [b"II*\0\xff\xff\xff\xff____", b"MM\0*\0\0\0\x08\0\x05\x01\x15", b"II+\0\x08\0\0\0________"]
)
def test_tiff_whose_directory_is_elsewhere_is_damaged(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(Unusable, match=r"it is a (damaged )?TIFF"):
        normalise(saved(tmp_path / "1.picture", head), Film(160, 90, 30), Fit.CONTAIN)


def test_scans_of_a_jpeg_are_counted_in_linear_time(tmp_path: Path) -> None:
    """A run of 0xFF is legal before a marker. A second look at each of them would take hours for a megabyte."""
    path = tmp_path / "fill.jpg"
    path.write_bytes(b"\xff\xd8" + b"\xff" * 2_000_000 + b"\0" * 16)
    found = decoded_elsewhere(path)
    assert "JPEG" in found.reasons[path.name]
