"""Album: the normalised pictures of a job in their order, and what is missing among them."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable

from cloudkon.instructions.animoto import OnMissing
from images.animoto.missing import NAMED_IN_ERROR, Missing, failure


class Album:
    """Hands on pictures one by one, so that memory does not grow with their number."""

    def __init__(
        self,
        source: AsyncIterable[bytes | Missing],
        total: int,
        on_missing: OnMissing,
        progress: Callable[[int], None],
    ) -> None:
        """``source`` gives one entry for each of ``total`` links; ``progress`` is told how many were handed on."""
        self._source = source
        self._on_missing = on_missing
        self._progress = progress
        self.total = total
        self.count = 0
        """Pictures handed on."""
        self.first = b""
        """The first of them."""
        self.missing: list[Missing] = []

    async def pictures(self) -> AsyncGenerator[bytes, None]:
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
                self.first = self.first or entry
                self.count += 1
                yield entry
                self._progress(seen)
        if self.missing and (self._on_missing is OnMissing.FAIL or not self.count):
            raise failure(self.missing, seen, self.total)
