"""Normalise: whatever the world calls a picture becomes one canvas of upright sRGB pixels."""

import logging
from math import ceil
from pathlib import Path

import pillow_heif
import pyvips
from PIL import Image

from cloudkon.instructions.animoto import Fit
from images.animoto.film import Film
from images.animoto.missing import Unusable
from images.animoto.picture import Kind, kind_of

MOST_PIXELS = 100_000_000
"""What one picture may hold. A PNG of 109 KB can hold 900 million, which take 2.7 GB once they are decoded."""
BACKGROUND = [0, 0, 0]
"""Behind transparent parts and beside pictures of another shape: one black, so that the former melt into the latter."""
_POSTER_QUALITY = 90
_THREADS = 2
_SLENDER = 8
"""Times as long as wide, or more: such a picture is cut before it is enlarged."""

_LOADERS = {
    Kind.JPEG: "jpegload",
    Kind.PNG: "pngload",
    Kind.WEBP: "webpload",
    Kind.GIF: "gifload",
    Kind.TIFF: "tiffload",
    Kind.AVIF: "heifload",
}
"""What libvips reads; Pillow reads the others."""

# libvips remembers results by file name, and here every picture is another file that is read once.
pyvips.cache_set_max(0)
# Its default is a thread for each of the host's cores, of which a container may use two.
pyvips.concurrency_set(_THREADS)
pillow_heif.register_heif_opener()
# Standard error is for JSON lines, and what makes a picture unusable is said by its error.
logging.getLogger("pyvips").addHandler(logging.NullHandler())


def normalise(path: Path, film: Film, fit: Fit) -> bytes:
    """Decode a picture file into ``film.picture_bytes`` bytes, or raise ``Unusable``.

    Damaged files are refused, not repaired: half a picture is worse than a message. What decoders only warn of is let
    through, because cameras write it too. The first frame of an animation and the first page of a document count.
    """
    kind = kind_of(path)
    try:
        picture = _read(path, kind, film, fit)
        return bytes(_on_canvas(picture, film).write_to_memory())
    except (pyvips.Error, OSError, EOFError, ValueError, RuntimeError, SyntaxError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's trouble and not the picture's
        raise Unusable(f"it is a damaged {kind.value} ({_reason(error, path)})") from error


def poster(picture: bytes, film: Film) -> bytes:
    """A normalised picture as JPEG."""
    image = pyvips.Image.new_from_memory(picture, film.width, film.height, 3, "uchar").copy(interpretation="srgb")
    return bytes(image.jpegsave_buffer(Q=_POSTER_QUALITY, optimize_coding=True))


def _read(path: Path, kind: Kind, film: Film, fit: Fit) -> pyvips.Image:
    """The picture upright, in sRGB, and as large as it fits the film."""
    sizing = {
        "height": film.height,
        "size": "both",
        "crop": "centre" if fit is Fit.COVER else "none",
        "output_profile": "srgb",
        "fail_on": "error",
    }
    if kind not in _LOADERS:
        picture = _opened_by_pillow(path)
    else:
        picture = pyvips.Operation.call(_LOADERS[kind], str(path), fail_on="error")
        _check_pixels(picture.width, picture.height)
        slender = max(picture.width, picture.height) > _SLENDER * min(picture.width, picture.height)
        if fit is Fit.CONTAIN or not slender:
            # Only the header was read yet. This shrinks while it decodes, which takes a fraction of time and memory.
            return pyvips.Image.thumbnail(str(path), film.width, **sizing)
    if fit is Fit.COVER:
        picture = _middle(picture.autorot(), film)
    return picture.thumbnail_image(film.width, **sizing)


def _middle(picture: pyvips.Image, film: Film) -> pyvips.Image:
    """What of the picture the film can show: enlarged as a whole, a line of pixels would take minutes."""
    width = min(picture.width, ceil(picture.height * film.width / film.height))
    height = min(picture.height, ceil(picture.width * film.height / film.width))
    return picture.crop((picture.width - width) // 2, (picture.height - height) // 2, width, height)


def _on_canvas(picture: pyvips.Image, film: Film) -> pyvips.Image:
    if picture.interpretation != "srgb":  # grey, or 16 bits a channel
        picture = picture.colourspace("srgb")
    if picture.hasalpha():
        picture = picture.flatten(background=BACKGROUND)
    return picture.cast("uchar").gravity("centre", film.width, film.height, background=BACKGROUND)


def _opened_by_pillow(path: Path) -> pyvips.Image:
    """What libvips can't read. Pillow-heif turns HEIC upright itself."""
    try:
        with Image.open(path, formats=["BMP", "HEIF"]) as opened:
            _check_pixels(*opened.size)
            profile = opened.info.get("icc_profile")
            pixels = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    bands = len(pixels.getbands())
    image = pyvips.Image.new_from_memory(pixels.tobytes(), *pixels.size, bands, "uchar").copy(interpretation="srgb")
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _check_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise _too_many_pixels(f"{width} x {height} pixels are")


def _too_many_pixels(found: str = "its pixels are") -> Unusable:
    return Unusable(f"{found} more than {MOST_PIXELS // 1_000_000} million")


def _reason(error: Exception, path: Path) -> str:
    """The decoder's last line, which is the cause, without where the file lay."""
    lines = [line.strip() for line in str(error).replace(str(path), "").splitlines() if line.strip()]
    return lines[-1] if lines else "it can't be decoded"
