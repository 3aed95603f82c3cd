"""Converts decoded pictures to opaque sRGB of 8 bits a channel."""

import pyvips

from ..timeline.film import CHANNELS

BACKGROUND = [0, 0, 0]
"""Behind transparent parts, and beside pictures of another shape: the same black, so that no border shows between."""


def profile_options(picture: pyvips.Image) -> dict[str, str]:
    """Return libvips' thumbnail options for a conversion to sRGB, or none if the picture is in sRGB already.

    The conversion takes 0.35 s for a picture of 1080p; decoding takes 0.02 s.
    """
    if picture.interpretation == "cmyk":
        return {"output_profile": "srgb"}
    if not picture.get_typeof("icc-profile-data"):
        return {}
    profile = bytes(picture.get("icc-profile-data"))
    # The profile's description is in ASCII or UTF-16, depending on the version of ICC.1 (desc, mluc).
    is_srgb = any("sRGB".encode(encoding) in profile for encoding in ("ascii", "utf-16-be"))
    return {} if is_srgb else {"output_profile": "srgb"}


def to_rgb(picture: pyvips.Image) -> pyvips.Image:
    """Convert to three channels of 8 bits, without transparency."""
    if picture.interpretation != "srgb":  # grey, or 16 bits a channel
        picture = picture.colourspace("srgb")
    if picture.hasalpha():
        picture = picture.flatten(background=BACKGROUND)
    # TIFFs may have more channels after the colours, such as a selection or a depth map.
    return picture.extract_band(0, n=CHANNELS).cast("uchar")
