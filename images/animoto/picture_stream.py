"""Passes normalised pictures on in the job's order and applies the job's policy for missing ones."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable

import trio

from cloudkon.instructions.animoto import OnMissing

from .pictures.missing import NAMED_IN_ERROR, MissingPicture, missing_failure
from .timeline.film import NormalisedPicture


class PictureStream:
    """Passes pictures on one by one, so that memory does not grow with their number."""

    def __init__(
        self,
        source: AsyncIterable[NormalisedPicture | MissingPicture],
        total: int,
        on_missing: OnMissing,
        prepare: Callable[[NormalisedPicture], NormalisedPicture],
        on_passed: Callable[[int], None],
    ) -> None:
        """Wrap a source that yields one entry for each of the job's ``total`` slides.

        Every picture goes through ``prepare``, in a thread. After each picture the renderer took, ``on_passed`` is
        called with the number of slides seen so far.
        """
        self._source = source
        self._total = total
        self._on_missing = on_missing
        self._prepare = prepare
        self._on_passed = on_passed
        self._passed = 0
        self.missing: list[MissingPicture] = []

    async def pictures(self) -> AsyncGenerator[NormalisedPicture, None]:
        """Yield every picture that exists. Raise the job's failure if the policy does not allow the missing ones."""
        seen = 0
        async for entry in self._source:
            seen += 1
            if isinstance(entry, MissingPicture):
                self.missing.append(entry)
                # A job that fails still looks for other missing pictures, as many as its error can name.
                if self._on_missing is OnMissing.FAIL and len(self.missing) >= NAMED_IN_ERROR:
                    break
            elif not self.missing or self._on_missing is OnMissing.SKIP:
                self._passed += 1
                yield await trio.to_thread.run_sync(self._prepare, entry)
                del entry  # else this picture stays in memory until the next one arrives
                self._on_passed(seen)
        if self.missing and (self._on_missing is OnMissing.FAIL or not self._passed):
            raise missing_failure(self.missing, seen, self._total)
