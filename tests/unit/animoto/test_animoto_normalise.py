import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import pyvips
from PIL import Image, ImageOps

from cloudkon.instructions.animoto import Fit
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import normalise
from images.animoto.poster import to_jpeg
from images.animoto.timeline.film import Film
from tests.support import picture_corpus as corpus
from tests.support.picture_corpus import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    SAND,
    WHITE,
    as_pixels,
    encoded,
    flat,
    near,
    saved,
)

FILM = Film(160, 80, 30)
Shown = Callable[..., corpus.Pixels]


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """Return a function that normalises a file's bytes."""

    def show(data: bytes, film: Film = FILM, fit: Fit = Fit.CONTAIN) -> corpus.Pixels:
        path = saved(tmp_path / "1.picture", data)
        return as_pixels(normalise(path, film, fit), film.width, film.height)

    return show


def centres(pixels: corpus.Pixels) -> list[Any]:
    """Return the colours in the middle of the four quarters, from the top left."""
    height, width, _bands = pixels.shape
    return [pixels[height * y // 4, width * x // 4] for y in (1, 3) for x in (1, 3)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_every_picture_kind_keeps_its_pixels(shown: Shown, kind: str) -> None:
    options: dict[str, dict[str, object]] = {
        "WEBP": {"lossless": True},
        "TIFF": {"compression": "tiff_lzw"},
        "AVIF": {"quality": 95},
        "HEIF": {"quality": 95},
    }
    assert near(centres(shown(encoded(corpus.quarters(), kind, **options.get(kind, {})))), [RED, GREEN, BLUE, SAND], 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(shown: Shown, orientation: int) -> None:
    taken = corpus.quarters(80, 40) if orientation < 5 else corpus.quarters(40, 80)
    exif = Image.Exif()
    exif[0x0112] = orientation
    with_tag = encoded(taken, exif=exif)
    taken.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(taken)
    assert upright is not None
    assert upright.size == (80, 40)
    assert near(centres(shown(with_tag)), centres(np.asarray(upright)), 4)


def test_rotated_heic_is_turned_upright(shown: Shown) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    taken = corpus.quarters(40, 80)
    data = encoded(taken, "HEIF", quality=95, exif=exif.tobytes())
    assert near(centres(shown(data)), [BLUE, RED, SAND, GREEN], 6)


def test_contain_shows_the_whole_picture_between_black_bars(shown: Shown) -> None:
    pixels = shown(encoded(flat(RED, 100, 100), "PNG"))
    assert near(pixels[:, 40:120], RED, 1)
    assert near(pixels[:, :40], BLACK, 0)
    assert near(pixels[:, 120:], BLACK, 0)
    assert near(
        shown(encoded(flat(RED, 300, 100), "PNG"))[[0, 12, 14, 65, 68, 79], 80],
        [BLACK] * 2 + [RED] * 2 + [BLACK] * 2,
        1,
    )


def test_cover_fills_the_frame_from_the_middle(shown: Shown) -> None:
    image = flat(RED, 100, 100)
    image.paste(GREEN, (0, 0, 100, 20))
    image.paste(BLUE, (0, 80, 100, 100))
    pixels = shown(encoded(image, "PNG"), fit=Fit.COVER)
    assert near(pixels, np.broadcast_to(RED, pixels.shape), 1)


def test_blur_shows_the_whole_picture_on_a_darker_blur_of_its_middle(shown: Shown) -> None:
    image = flat(SAND, 100, 100)
    image.paste(RED, (0, 0, 100, 24))
    image.paste(BLUE, (0, 76, 100, 100))
    pixels = shown(encoded(image, "PNG"), fit=Fit.BLUR)
    # The whole picture is between columns 40 and 120, as with contain.
    assert near([pixels[8, 80], pixels[40, 80], pixels[72, 80]], [RED, SAND, BLUE], 2)
    # Beside it is what cover would show there, but darker: here the picture's middle half, of one colour.
    dark = np.array(SAND) * 0.55
    assert near(pixels[30:50, :32], np.broadcast_to(dark, (20, 32, 3)), 4)
    assert near(pixels[30:50, 128:], np.broadcast_to(dark, (20, 32, 3)), 4)
    # Along its edges is a shadow, the same on both sides.
    assert near(pixels[40, [39, 120]], np.broadcast_to(dark * 0.75, (2, 3)), 6)
    assert pixels.max(axis=2).min() > 50, "no black bar is left"


def test_picture_of_the_frame_s_shape_is_equal_in_every_fit(shown: Shown) -> None:
    data = encoded(corpus.scenery(3, 320, 160), "PNG")
    contained = shown(data)
    assert all(np.array_equal(shown(data, fit=fit), contained) for fit in Fit)


@pytest.mark.parametrize("film", [FILM, Film(16, 16, 30), Film(54, 96, 30), Film(1078, 606, 30)])
def test_backdrop_is_as_large_as_the_film(shown: Shown, film: Film) -> None:
    half = Image.new("RGBA", (90, 60), (*RED, 255))
    half.paste((*RED, 0), (0, 0, 90, 30))
    for picture in (flat(SAND, 30, 77), half):
        assert shown(encoded(picture, "PNG"), film, Fit.BLUR).shape == (film.height, film.width, 3)


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (1, 2000), (3000, 1), (2001, 3), (161, 81), (1999, 1501)])
def test_every_size_fills_the_canvas(shown: Shown, size: tuple[int, int], fit: Fit) -> None:
    pixels = shown(encoded(flat(SAND, *size), "PNG"), fit=fit)
    # A line one pixel wide is next to the middle, which is between pixels.
    assert near(pixels[39:41, 79:81].max(axis=(0, 1)), SAND, 1)


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_line_of_pixels_is_cropped_before_it_is_enlarged(shown: Shown, size: tuple[int, int]) -> None:
    pixels = shown(encoded(flat(SAND, *size), "PNG"), fit=Fit.COVER)
    assert near(pixels, np.broadcast_to(SAND, pixels.shape), 1)


def test_cmyk_keeps_its_colours(shown: Shown) -> None:
    red, green, blue = (int(band) for band in shown(encoded(Image.new("CMYK", (64, 32), (0, 255, 255, 0))))[40, 80])
    assert red > 180
    assert green < 80
    assert blue < 80
    assert near(shown(encoded(Image.new("CMYK", (64, 32), (0, 0, 0, 0))))[40, 80], WHITE, 3)


def test_sixteen_bits_become_eight(shown: Shown) -> None:
    deep = Image.fromarray(np.full((40, 80), 128 * 257, dtype=np.uint16))
    assert near(shown(encoded(deep, "PNG"))[40, 80], GREY, 1)
    colours = np.broadcast_to(np.array(RED, dtype=np.uint16) * 257, (40, 80, 3)).copy()
    image = pyvips.Image.new_from_array(colours, interpretation="rgb16").cast("ushort")
    for data in (image.pngsave_buffer(), image.tiffsave_buffer()):
        assert near(shown(data)[40, 80], RED, 1)


def test_pictures_of_one_bit_grey_and_palette_are_shown(shown: Shown) -> None:
    assert near(shown(encoded(Image.new("1", (80, 40), 1), "PNG"))[40, 80], WHITE, 0)
    assert near(shown(encoded(Image.new("L", (80, 40), 128)))[40, 80], GREY, 2)
    assert near(centres(shown(encoded(corpus.quarters().quantize(4), "PNG"))), [RED, GREEN, BLUE, SAND], 6)


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "heic"])
def test_colour_profile_is_applied(shown: Shown, kind: str) -> None:
    """The same colour has other numbers in Display P3, which would be shown as a paler colour."""
    plain = pyvips.Image.new_from_memory(flat(RED, 80, 40).tobytes(), 80, 40, 3, "uchar").copy(interpretation="srgb")
    wide = plain.icc_transform("p3", input_profile="srgb")
    numbers = wide.getpoint(40, 20)
    assert not near(numbers, RED, 5)
    if kind == "heic":
        heif = pillow_heif.from_bytes("RGB", (80, 40), wide.write_to_memory())
        heif.info["icc_profile"] = wide.get("icc-profile-data")
        picture = heif.to_pillow()
        data = encoded(picture, "HEIF", quality=100, icc_profile=wide.get("icc-profile-data"))
    else:
        data = getattr(wide, f"{kind}save_buffer")()
    assert near(shown(data)[40, 80], RED, 5)


def test_broken_colour_profile_is_ignored(shown: Shown) -> None:
    data = encoded(flat(RED), icc_profile=b"this is no profile" * 20)
    assert near(shown(data)[40, 80], RED, 4)


def test_transparent_parts_become_black(shown: Shown) -> None:
    half = Image.new("RGBA", (80, 40), (*RED, 255))
    half.paste((*RED, 0), (0, 0, 40, 40))
    for kind in ("PNG", "WEBP", "TIFF"):
        pixels = shown(encoded(half, kind))
        assert near(pixels[40, 30], BLACK, 1)
        assert near(pixels[40, 130], RED, 6)
    assert near(shown(encoded(Image.new("RGBA", (80, 40), (200, 100, 50, 128)), "PNG"))[40, 80], (100, 50, 25), 2)
    assert near(shown(encoded(Image.new("LA", (80, 40), (128, 255)), "PNG"))[40, 80], GREY, 1)
    assert near(shown(encoded(half, "HEIF", quality=95))[40, 30], BLACK, 6)


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("further", [1, 2, 5])
@pytest.mark.parametrize("space", ["srgb", "rgb16", "b-w", "cmyk"])
def test_extra_channels_are_ignored(shown: Shown, space: str, further: int, fit: Fit) -> None:
    """Extra channels from drawing programs: selections, spot colours, depth maps. The first may be transparency."""
    red = pyvips.Image.black(80, 40).new_from_image(RED).cast("uchar").copy(interpretation="srgb").colourspace(space)
    opaque = 65535 if space == "rgb16" else 255
    pixels = shown(red.bandjoin([opaque] * further).tiffsave_buffer(), fit=fit)
    assert near(pixels[40, 80], pixels[40, 80].mean().repeat(3) if space == "b-w" else RED, 10)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG", "AVIF"])
def test_animation_shows_its_first_frame(shown: Shown, kind: str) -> None:
    data = encoded(flat(RED), kind, save_all=True, append_images=[flat(GREEN), flat(BLUE)])
    assert near(shown(data)[40, 80], RED, 6)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty file"),
        (b"\xff\xd8\xff", "not a picture of a known kind"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "a web page"),
        (b"\xef\xbb\xbf\r\n <HTML lang=en> and so on", "a web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?><!-- by a tool --><svg width='9'></svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.170.2/v2/credentials\n", "a playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "a playlist"),
        (b'{"error": "not found"}', "a JSON document"),
        (b"%PDF-1.7\n and so on", "a PDF document"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42", "a video"),
        (b"\x1aE\xdf\xa3 and so on for a while", "a video"),
        (b"\xff\x0a and so on for a while", "a JPEG XL picture"),
        (b"just some text that is longer", "not a picture of a known kind"),
    ],
)
def test_file_that_is_not_a_picture_is_named(shown: Shown, data: bytes, says: str) -> None:
    with pytest.raises(Unusable) as caught:
        shown(data)
    assert says in caught.value.reason
    if data and b"\xff\xd8" not in data:
        assert caught.value.reason.endswith("HEIC and AVIF")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_picture_is_refused(shown: Shown, kind: str, part: float) -> None:
    whole = encoded(corpus.scenery(1, 400, 300), kind)
    name = "HEIC" if kind == "HEIF" else kind
    with pytest.raises(Unusable, match=f"(?i)it is a damaged {name} \\(.+\\)") as caught:
        shown(whole[: int(len(whole) * part)])
    assert "1.picture" not in caught.value.reason
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize("bomb", [corpus.png_bomb(30_000), corpus.bmp_bomb(12_000)])
def test_pixel_bomb_is_refused_by_its_header(shown: Shown, bomb: bytes) -> None:
    assert len(bomb) < 10_000
    with pytest.raises(Unusable, match="more than 100 million"):
        shown(bomb)


def test_damaged_pictures_are_shown_or_raise_unusable(shown: Shown) -> None:
    chance = random.Random(7)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF"):
        whole = encoded(corpus.scenery(2, 64, 48), kind)
        for _case in range(25):
            damaged = bytearray(whole)
            for _byte in range(chance.randint(1, 8)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with suppress(Unusable):
                shown(bytes(damaged))


def test_poster_equals_the_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "1.picture", encoded(corpus.quarters(), "PNG"))
    data = to_jpeg(normalise(path, FILM, Fit.CONTAIN), FILM)
    with Image.open(saved(tmp_path / "poster.jpg", data)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (160, 80))
        assert near(centres(np.asarray(opened)), [RED, GREEN, BLUE, SAND], 6)
