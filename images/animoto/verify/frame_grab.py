"""Reads one frame of a video as pixels."""

from pathlib import Path

import ffmpeg

from ..ffmpeg.ffmpeg_process import PROTOCOLS, FfmpegFailed, run_ffmpeg
from ..timeline.film import Film


async def grab_frame(video: Path, film: Film, frame: int) -> bytes:
    """Return the frame with that number (from 0), as ``film.picture_bytes`` bytes of R, G and B."""
    pixels = bytearray()

    async def on_output(piece: bytes) -> None:
        pixels.extend(piece)

    # ffmpeg returns the first frame from a time on. The time asked for is a little before the frame's own, so that
    # rounding does not select another frame.
    at = max(0.0, (frame - 0.4) / film.fps)
    shown = ffmpeg.input(str(video), ss=f"{at:.6f}", threads=1, protocol_whitelist=PROTOCOLS)
    shown = shown.video.filter("zscale", matrix="gbr", range="full").filter("format", "gbrp")
    graph = shown.output("pipe:1", format="rawvideo", pix_fmt="rgb24", **{"frames:v": 1})
    await run_ffmpeg(ffmpeg.compile(graph, cmd="ffmpeg")[1:], directory=video.parent, on_output=on_output)
    if len(pixels) != film.picture_bytes:
        raise FfmpegFailed(f"frame {frame} of the video can't be read back")
    return bytes(pixels)
