"""Makes a slideshow as scripts do with imageio: it sends each frame through a pipe as an array of pixels."""

from pathlib import Path

import click
from imageio_ffmpeg import write_frames
from PIL import Image

from benchmarks.render.approaches import COLOURS, FPS


@click.command()
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("video", type=click.Path(path_type=Path))
@click.argument("count", type=int)
def main(pictures: Path, video: Path, count: int) -> None:
    """Make VIDEO of the first COUNT JPEGs in the directory PICTURES."""
    files = sorted(pictures.glob("*.jpg"))[:count]
    with Image.open(files[0]) as first:
        size = first.size
    coded = ["-crf", "18", "-preset", "veryfast", "-movflags", "+faststart"]
    colours = ["-vf", COLOURS.replace("matrixin=470bg", "matrixin=gbr")]
    writer = write_frames(
        str(video),
        size,
        fps=FPS,
        codec="libx264",
        pix_fmt_in="rgb24",
        macro_block_size=2,
        quality=None,
        output_params=[*coded, *colours],
    )
    writer.send(None)
    for file in files:
        with Image.open(file) as opened:
            pixels = opened.convert("RGB").tobytes()
        for _frame in range(FPS):
            writer.send(pixels)
    writer.close()


if __name__ == "__main__":
    main()
