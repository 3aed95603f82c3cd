"""Album: the normalised pictures of a job in their order, and what is missing among them."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable

import trio

from cloudkon.instructions.animoto import AnimotoJob, OnMissing, Slide

from .captions.lettering import lettered, letterings
from .pictures.missing import NAMED_IN_ERROR, Missing, failure
from .timeline.film import Canvas, Film, Pixels
from .verify.visual_check import Veil


class Album:
    """Hands on pictures one by one, so that memory does not grow with their number."""

    def __init__(
        self,
        source: AsyncIterable[Canvas | Missing],
        job: AnimotoJob,
        film: Film,
        progress: Callable[[int], None],
        likeness: Callable[[Pixels], bytes],
        poster: Callable[[Pixels], bytes] | None,
    ) -> None:
        """``source`` gives one entry for each of the job's slides; ``progress`` is told how many were handed on.

        ``likeness`` is what is kept of each picture, and ``poster`` of the first, if anything.
        """
        self._source = source
        self._on_missing = job.on_missing
        self._title = job.title
        self._film = film
        self._progress = progress
        self._likeness = likeness
        self._make_poster = poster
        self.total = len(job.slides)
        self.likenesses: list[bytes] = []
        """Of the pictures handed on."""
        self.veils: list[Veil] = []
        """Of the texts before them, where they move."""
        self.poster = b""
        """Made of the first of them."""
        self.slides: list[Slide] = []
        """How each of them is shown."""
        self.missing: list[Missing] = []

    @property
    def count(self) -> int:
        """Pictures handed on."""
        return len(self.likenesses)

    async def pictures(self) -> AsyncGenerator[Canvas, None]:
        """Every picture there is; raises the job's failure if it can't do without the others."""
        seen = 0
        async for entry in self._source:
            seen += 1
            if isinstance(entry, Missing):
                self.missing.append(entry)
                # A job that fails goes on to find out what else is missing, as far as it can name it.
                if self._on_missing is OnMissing.FAIL and len(self.missing) >= NAMED_IN_ERROR:
                    break
            elif not self.missing or self._on_missing is OnMissing.SKIP:
                yield await trio.to_thread.run_sync(self._take, entry)
                del entry  # a picture, that would stay until the next is there
                self._progress(seen)
        if self.missing and (self._on_missing is OnMissing.FAIL or not self.count):
            raise failure(self.missing, seen, self.total)

    def _take(self, entry: Canvas) -> Canvas:
        """Put the picture in, with what is to be read on it. The title stands on the first there is."""
        size = self._film.width, self._film.height
        texts = letterings("" if self.count else self._title, entry.slide.caption, *size)
        if self._film.moves:
            entry = entry._replace(letters=texts)
            self.veils.append(Veil.of(texts, self._film))
        else:
            entry = entry._replace(pixels=lettered(entry.pixels, texts, *size))
        if self._make_poster and not self.count:
            self.poster = self._make_poster(entry.pixels)
        self.slides.append(entry.slide)
        self.likenesses.append(self._likeness(entry.pixels))
        return entry
