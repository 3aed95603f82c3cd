"""Makes a slideshow as scripts do with moviepy, one second a picture."""

import sys
from pathlib import Path

from moviepy import CompositeVideoClip, ImageClip, concatenate_videoclips
from moviepy.video.fx import CrossFadeIn

FPS = 30


def main(pictures: Path, video: Path, count: int, fade: float) -> None:
    """Make a video of the first ``count`` JPEGs of a directory; each fades in over the one before for ``fade`` s."""
    files = sorted(pictures.glob("*.jpg"))[:count]
    if fade:
        clips = [ImageClip(str(file), duration=1 + fade).with_start(number) for number, file in enumerate(files)]
        faded = [clips[0], *(clip.with_effects([CrossFadeIn(fade)]) for clip in clips[1:])]
        film = CompositeVideoClip(faded).with_duration(count)
    else:
        film = concatenate_videoclips([ImageClip(str(file), duration=1) for file in files])
    film.write_videofile(
        str(video),
        fps=FPS,
        codec="libx264",
        preset="veryfast",
        ffmpeg_params=["-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
        audio=False,
        logger=None,
    )


if __name__ == "__main__":
    directory, result, most, *rest = sys.argv[1:]
    main(Path(directory), Path(result), int(most), float(rest[1]) if rest else 0.0)
