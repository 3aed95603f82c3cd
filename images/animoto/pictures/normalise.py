"""Turns any picture file into pixels of one canvas: upright, sRGB, fitted."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pillow_heif
import pyvips
from PIL import Image

from cloudkon.instructions.animoto import Fit

from ..timeline.film import Film, Pixels
from .colour import profile_options, to_rgb
from .file_type import Kind, kind_of
from .fitting import crop_to_shape, place_on_canvas
from .heads.declared import read_head
from .memory_budget import reserve, reserve_planes, reserve_rows, reserve_tiles
from .missing import Unusable

MOST_PIXELS = 100_000_000
"""Limit for one picture. A PNG of 109 KB can hold 900 million, which take 2.7 GB once they are decoded."""
_MOST_SAMPLES = 5 * MOST_PIXELS
"""Of all pixels: CMYK with transparency has 5. With 16 the largest pictures would take 10 s."""
_THREADS = 2
_SLENDER = 8
"""Ratio of the longer to the shorter side from which a picture is cropped before it is enlarged."""

_LOADERS = {
    Kind.JPEG: "jpegload",
    Kind.PNG: "pngload",
    Kind.WEBP: "webpload",
    Kind.TIFF: "tiffload",
    Kind.AVIF: "heifload",
}
"""The kinds that libvips reads; Pillow reads the others."""
_USUAL_PIXEL = 8
"""Bytes of a pixel with four samples of 16 bits. Rows of larger ones, which only a TIFF has, count too."""
_BY_ROWS = {Kind.JPEG, Kind.PNG}
"""Kinds that are decoded one or a few rows at a time, unless they are interlaced; so are most TIFFs."""

# libvips caches results by file name, but here every picture is a new file that is read once.
pyvips.cache_set_max(0)
# Its default is one thread for each of the host's cores, but a container may use two of them.
pyvips.concurrency_set(_THREADS)
pillow_heif.register_heif_opener()
# Pillow would warn of too many pixels on standard error. Here they are counted before Pillow decodes any.
Image.MAX_IMAGE_PIXELS = None
# Standard error is for JSON lines. The error that is raised says why a picture is unusable.
logging.getLogger("pyvips").addHandler(logging.NullHandler())


def normalise(path: Path, film: Film, fit: Fit) -> Pixels:
    """Decode a picture file into ``film.picture_bytes`` bytes, or raise ``Unusable``.

    Damaged files are refused, not repaired: half a picture is worse than a message. Mere warnings of decoders are
    ignored, because files from cameras cause them too. Of an animation the first frame is used, of a document the
    first page.
    """
    kind = kind_of(path)
    try:
        with _memory_for(path, kind):
            picture = to_rgb(_read(path, kind, film, fit))
            # A memoryview and not bytes: the copy would take a fifth of the time.
            return memoryview(place_on_canvas(picture, film, fit).write_to_memory())
    except MemoryError:
        raise Unusable("decoding it takes more memory than this worker may use") from None
    except (pyvips.Error, OSError, EOFError, ValueError, RuntimeError, SyntaxError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk failed, and not the picture
        raise Unusable(f"it is a damaged {kind.value} ({_reason(error, path)})") from error


def _memory_for(path: Path, kind: Kind) -> AbstractContextManager[object]:
    """Return what to hold while the picture is decoded, by what the file's header says.

    Raises ``Unusable`` for a picture with too many pixels, or one whose header asks for too much in another way.
    """
    declared = read_head(path, kind, MOST_PIXELS)
    if kind not in _LOADERS:
        with _open_with_pillow(path) as image:
            size = image.size
        _check_pixels(*size)
        return reserve(kind, *size, hidden=declared.hidden_pixels)
    header = pyvips.Operation.call(_LOADERS[kind], str(path), fail_on="error")
    _check_pixels(header.width, header.height)
    if kind is Kind.TIFF:
        return _memory_for_tiff(header, planar=declared.planar)
    if kind in _BY_ROWS and not header.get_typeof("interlaced"):
        return nullcontext()
    return reserve(kind, header.width, header.height, hidden=declared.hidden_pixels, bands=header.bands)


def _memory_for_tiff(header: pyvips.Image, *, planar: bool) -> AbstractContextManager[object]:
    width, height = header.width, header.height
    if width * height * header.bands > _MOST_SAMPLES:
        raise Unusable(
            f"{width} x {height} pixels of {header.bands} samples are more than {_MOST_SAMPLES // 1_000_000} million"
        )
    pixel = header.bands * max(8, header.get("bits-per-sample")) // 8
    if header.get_typeof("tile-height"):
        return reserve_tiles(width, height, max(header.get("tile-width"), width) * header.get("tile-height") * pixel)
    if planar:
        return reserve_planes(width, height, pixel)
    return reserve_rows(width, height, width * pixel) if pixel > _USUAL_PIXEL else nullcontext()


def _read(path: Path, kind: Kind, film: Film, fit: Fit) -> pyvips.Image:
    """Return the picture upright, in sRGB, and as large as it fits the film."""
    sizing = {
        "height": film.height,
        "size": "both",
        "crop": "centre" if fit is Fit.COVER else "none",
        "fail_on": "error",
    }
    if kind not in _LOADERS:
        picture = _decode_with_pillow(path, film)
        sizing |= profile_options(picture)
    else:
        picture = pyvips.Operation.call(_LOADERS[kind], str(path), fail_on="error")
        sizing |= profile_options(picture)
        slender = max(picture.width, picture.height) > _SLENDER * min(picture.width, picture.height)
        # libvips finds the kind by the first brand alone, and an animated AVIF's is one that it doesn't know.
        if kind is not Kind.AVIF and (fit is not Fit.COVER or not slender):
            # So far only the header was read. This shrinks while it decodes, at a fraction of the time and memory.
            return pyvips.Image.thumbnail(str(path), film.width, **sizing)
    if fit is Fit.COVER:
        picture = crop_to_shape(picture.autorot(), film)
    return picture.thumbnail_image(film.width, **sizing)


def _decode_with_pillow(path: Path, film: Film) -> pyvips.Image:
    """Decode what libvips can't read. pillow-heif itself turns HEIC upright."""
    with _open_with_pillow(path) as image:
        profile = image.info.get("icc_profile")
        mode = "RGBA" if image.has_transparency_data else "RGB"
        pixels = image if image.mode == mode else image.convert(mode)
        # A much too large picture is shrunk here first: handed over in full size, it would be in memory three times.
        shrink = min(pixels.width // film.width, pixels.height // film.height) // 2
        pixels = pixels.reduce(shrink) if shrink > 1 else pixels
        raw, size, bands = pixels.tobytes(), pixels.size, len(pixels.getbands())
    picture = pyvips.Image.new_from_memory(raw, *size, bands, "uchar").copy(interpretation="srgb")
    if profile:
        picture = picture.copy()
        picture.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return picture


def _open_with_pillow(path: Path) -> Image.Image:
    """Open the file; Pillow reads only its header here."""
    return Image.open(path, formats=["BMP", "GIF", "HEIF"])


def _check_pixels(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise Unusable(f"{width} x {height} pixels are more than {MOST_PIXELS // 1_000_000} million")


def _reason(error: Exception, path: Path) -> str:
    """Return the last line of the decoder's error, which is the cause, without the file's path."""
    lines = [line.strip() for line in str(error).replace(str(path), "").splitlines() if line.strip()]
    return lines[-1] if lines else "it can't be decoded"
