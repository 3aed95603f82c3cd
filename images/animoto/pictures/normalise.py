"""Normalise: whatever the world calls a picture becomes one canvas of upright sRGB pixels."""

import logging
from contextlib import AbstractContextManager, nullcontext
from math import ceil
from pathlib import Path

import pillow_heif
import pyvips
from PIL import Image

from cloudkon.instructions.animoto import Fit

from ..timeline.film import CHANNELS, Film, Pixels
from .file_type import Kind, kind_of
from .memory_budget import room_for, room_for_tiles
from .missing import Unusable

MOST_PIXELS = 100_000_000
"""What one picture may hold. A PNG of 109 KB can hold 900 million, which take 2.7 GB once they are decoded."""
BACKGROUND = [0, 0, 0]
"""Behind transparent parts and beside pictures of another shape: one black, so that the former melt into the latter."""
_POSTER_QUALITY = 90
_THREADS = 2
_SLENDER = 8
"""Times as long as wide, or more: such a picture is cut before it is enlarged."""

_BLURRED_SIDE = 90
"""Pixels of a backdrop's shorter side, while it is blurred."""
_BLUR = 3.0
"""Standard deviation in those pixels: a thirtieth of that side."""
_DIMMED = 0.55
"""Of a backdrop's brightness: the picture before it stays what is looked at."""

_SHADOW = 0.7
"""Of its light, how much the picture's shadow takes; at its edge it is half of that."""
_SHADOW_BLUR = 1.8
"""Standard deviation in those pixels."""

_LOADERS = {
    Kind.JPEG: "jpegload",
    Kind.PNG: "pngload",
    Kind.WEBP: "webpload",
    Kind.TIFF: "tiffload",
    Kind.AVIF: "heifload",
}
"""What libvips reads; Pillow reads the others."""
_BY_ROWS = {Kind.JPEG, Kind.PNG, Kind.TIFF}
"""Decoded a row or some at a time, unless they are interlaced."""

# libvips remembers results by file name, and here every picture is another file that is read once.
pyvips.cache_set_max(0)
# Its default is a thread for each of the host's cores, of which a container may use two.
pyvips.concurrency_set(_THREADS)
pillow_heif.register_heif_opener()
# Of too many pixels Pillow warns in words of its own, on standard error. They are counted here before it decodes any.
Image.MAX_IMAGE_PIXELS = None
# Standard error is for JSON lines, and what makes a picture unusable is said by its error.
logging.getLogger("pyvips").addHandler(logging.NullHandler())


def normalise(path: Path, film: Film, fit: Fit) -> Pixels:
    """Decode a picture file into ``film.picture_bytes``, or raise ``Unusable``.

    Damaged files are refused, not repaired: half a picture is worse than a message. What decoders only warn of is let
    through, because cameras write it too. The first frame of an animation and the first page of a document count.
    """
    kind = kind_of(path)
    try:
        with _room(path, kind):
            picture = _read(path, kind, film, fit)
            # Not as bytes: to copy them takes a fifth of the time.
            return memoryview(_on_canvas(picture, film, fit).write_to_memory())
    except (pyvips.Error, OSError, EOFError, ValueError, RuntimeError, SyntaxError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's trouble and not the picture's
        raise Unusable(f"it is a damaged {kind.value} ({_reason(error, path)})") from error


def poster(picture: Pixels, film: Film) -> bytes:
    """A normalised picture as JPEG."""
    image = pyvips.Image.new_from_memory(picture, film.width, film.height, 3, "uchar").copy(interpretation="srgb")
    return bytes(image.jpegsave_buffer(Q=_POSTER_QUALITY, optimize_coding=True))


def _room(path: Path, kind: Kind) -> AbstractContextManager[object]:
    """What to hold while it is decoded, by what its head says. Raise ``Unusable`` for more pixels than are taken."""
    if kind not in _LOADERS:
        with _opened(path) as opened:
            size, whole = opened.size, True
    else:
        head = pyvips.Operation.call(_LOADERS[kind], str(path), fail_on="error")
        size = head.width, head.height
        whole = kind not in _BY_ROWS or bool(head.get_typeof("interlaced"))
        if head.get_typeof("tile-height"):
            _check_pixels(*size)
            pixel = head.bands * max(8, head.get("bits-per-sample")) // 8
            return room_for_tiles(*size, head.get("tile-height"), pixel)
    _check_pixels(*size)
    return room_for(kind, *size) if whole else nullcontext()


def _read(path: Path, kind: Kind, film: Film, fit: Fit) -> pyvips.Image:
    """The picture upright, in sRGB, and as large as it fits the film."""
    sizing = {
        "height": film.height,
        "size": "both",
        "crop": "centre" if fit is Fit.COVER else "none",
        "fail_on": "error",
    }
    if kind not in _LOADERS:
        picture = _decoded_by_pillow(path, film)
        sizing |= _colours(picture)
    else:
        picture = pyvips.Operation.call(_LOADERS[kind], str(path), fail_on="error")
        sizing |= _colours(picture)
        slender = max(picture.width, picture.height) > _SLENDER * min(picture.width, picture.height)
        if fit is not Fit.COVER or not slender:
            # Only the header was read yet. This shrinks while it decodes, which takes a fraction of time and memory.
            return pyvips.Image.thumbnail(str(path), film.width, **sizing)
    if fit is Fit.COVER:
        picture = _middle(picture.autorot(), film)
    return picture.thumbnail_image(film.width, **sizing)


def _colours(picture: pyvips.Image) -> dict[str, str]:
    """Into sRGB, if it isn't in it: that takes 0.35 s for a picture of 1080p, and decoding it 0.02 s."""
    if picture.interpretation == "cmyk":
        return {"output_profile": "srgb"}
    if not picture.get_typeof("icc-profile-data"):
        return {}
    profile = bytes(picture.get("icc-profile-data"))
    # Its description, in ASCII or UTF-16 by the version of ICC.1 (desc, mluc).
    is_srgb = any("sRGB".encode(encoding) in profile for encoding in ("ascii", "utf-16-be"))
    return {} if is_srgb else {"output_profile": "srgb"}


def _middle(picture: pyvips.Image, film: Film) -> pyvips.Image:
    """What of the picture the film can show: enlarged as a whole, a line of pixels would take minutes."""
    width = min(picture.width, ceil(picture.height * film.width / film.height))
    height = min(picture.height, ceil(picture.width * film.height / film.width))
    return picture.crop((picture.width - width) // 2, (picture.height - height) // 2, width, height)


def _on_canvas(picture: pyvips.Image, film: Film, fit: Fit) -> pyvips.Image:
    if picture.interpretation != "srgb":  # grey, or 16 bits a channel
        picture = picture.colourspace("srgb")
    if picture.hasalpha():
        picture = picture.flatten(background=BACKGROUND)
    # TIFFs may have further channels behind the colours, such as a selection or a depth: they are no colours.
    picture = picture.extract_band(0, n=CHANNELS).cast("uchar")
    if fit is not Fit.BLUR or (picture.width, picture.height) == (film.width, film.height):
        return picture.gravity("centre", film.width, film.height, background=BACKGROUND)
    picture = picture.copy_memory()  # it is read twice, and files give their pixels once
    place = (film.width - picture.width) // 2, (film.height - picture.height) // 2
    return _backdrop(picture, film).insert(picture, *place)


def _backdrop(picture: pyvips.Image, film: Film) -> pyvips.Image:
    """The picture's middle over the whole film, out of focus and darker.

    It is blurred while it is small: that takes a hundredth of the time, and enlarging smooths it once more.
    """
    shrink = max(1.0, min(film.width, film.height) / _BLURRED_SIDE)
    width, height = ceil(film.width / shrink), ceil(film.height / shrink)
    small = _middle(picture, film).thumbnail_image(width, height=height, size="force").copy_memory()
    margin = ceil(3 * _BLUR)
    blurred = small.embed(margin, margin, width + 2 * margin, height + 2 * margin, extend="mirror").gaussblur(_BLUR)
    dark = blurred.crop(margin, margin, width, height) * (_shadow(picture, width, height, shrink) * _DIMMED)
    large = dark.resize(film.width / width, vscale=film.height / height, kernel="cubic")
    return large.gravity("centre", film.width, film.height, extend="copy").cast("uchar")


def _shadow(picture: pyvips.Image, width: int, height: int, shrink: float) -> pyvips.Image:
    """What is left of a backdrop's light beside the picture, which seems to lie a little before it; 1 is all."""
    sides = (width, picture.width), (height, picture.height)
    across, along = (min(most, max(1, round(side / shrink))) for most, side in sides)
    lid = (pyvips.Image.black(across, along) + 1).embed((width - across) // 2, (height - along) // 2, width, height)
    return lid.cast("float").gaussblur(_SHADOW_BLUR).linear(-_SHADOW, 1)


def _decoded_by_pillow(path: Path, film: Film) -> pyvips.Image:
    """What libvips can't read. Pillow-heif turns HEIC upright itself."""
    with _opened(path) as opened:
        profile = opened.info.get("icc_profile")
        mode = "RGBA" if opened.has_transparency_data else "RGB"
        pixels = opened if opened.mode == mode else opened.convert(mode)
        # What is much too large shrinks here, at first: handed over as it is, it would lie in memory three times.
        shrink = min(pixels.width // film.width, pixels.height // film.height) // 2
        pixels = pixels.reduce(shrink) if shrink > 1 else pixels
        raw, size, bands = pixels.tobytes(), pixels.size, len(pixels.getbands())
    image = pyvips.Image.new_from_memory(raw, *size, bands, "uchar").copy(interpretation="srgb")
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _opened(path: Path) -> Image.Image:
    """Its head alone is read yet."""
    return Image.open(path, formats=["BMP", "GIF", "HEIF"])


def _check_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise Unusable(f"{width} x {height} pixels are more than {MOST_PIXELS // 1_000_000} million")


def _reason(error: Exception, path: Path) -> str:
    """The decoder's last line, which is the cause, without where the file lay."""
    lines = [line.strip() for line in str(error).replace(str(path), "").splitlines() if line.strip()]
    return lines[-1] if lines else "it can't be decoded"
