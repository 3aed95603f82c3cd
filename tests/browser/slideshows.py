"""Renders slideshows of pictures that are easy to tell apart, and computes what each frame should show."""

from dataclasses import dataclass
from pathlib import Path

from images.animoto.encode.blending import blended, flat
from images.animoto.encode.h264_renderer import H264Renderer
from images.animoto.poster import to_jpeg
from images.animoto.timeline.plan import Colour, Hold, Shown
from tests.support import picture_corpus as corpus
from tests.support.slideshow_jobs import Show


@dataclass(frozen=True, slots=True)
class Slideshow:
    """A film of ``count`` pictures."""

    show: Show
    count: int

    @property
    def fps(self) -> int:
        return self.show.film.fps

    def picture(self, number: int) -> bytes:
        return corpus.scenery(number, self.show.width, self.show.height).tobytes()

    def poster(self) -> bytes:
        return to_jpeg(self.picture(0), self.show.film)

    async def render(self, video: Path) -> None:
        pictures = self.show.stream(self.picture(number) for number in range(self.count))
        await H264Renderer().render(pictures, self.show.film, video)

    def expected(self, frame: int) -> corpus.Pixels:
        """Return what the frame shows according to the plan."""
        for segment in self.show.plan(self.count):
            if segment.first <= frame < segment.first + segment.frames:
                if isinstance(segment, Hold):
                    raw = self._shown(segment.shown)
                else:
                    both = self._shown(segment.before), self._shown(segment.after)
                    raw = blended(segment, frame - segment.first, self.show.film, *both)
                return corpus.as_pixels(raw, self.show.width, self.show.height)
        raise AssertionError(f"the film has no frame {frame}")

    def _shown(self, shown: Shown) -> bytes:
        return flat(shown, self.show.film) if isinstance(shown, Colour) else self.picture(shown)
