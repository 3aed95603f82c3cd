"""Moves outputs that are too long for the ledger to the object store; the result then carries the address."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import trio

from cloudkon.backoff import Backoff
from cloudkon.errors import ServiceError
from cloudkon.log import Log
from cloudkon.model import Result
from cloudkon.model.result import CHUNK_OUTPUT_LIMIT, OUTPUT_LIMIT
from cloudkon.ports import Store

_BACKOFF: Final = Backoff(first=0.2, most=10.0, jitter=1.0)
_LEAST_MOVED_BYTES: Final = 256
"""Shorter texts stay: an address is hardly shorter, and a thousand such texts still fit an item."""


class Outputs:
    """Keeps a chunk's results small enough for its item in the ledger."""

    def __init__(self, store: Store, rng: random.Random, log: Log) -> None:
        """``rng`` draws the jitter of the waits between tries."""
        self._store = store
        self._rng = rng
        self._log = log

    async def fit(self, results: dict[int, Result], token: str, wanted: Callable[[], bool]) -> None:
        """Replace long texts in ``results`` by their addresses; stop trying once ``wanted()`` is false.

        First every text over 4 KiB, then the longest ones until the chunk's texts take 64 KiB together.
        """
        sizes = {seq: _size(result) for seq, result in results.items()}
        total = sum(sizes.values())
        for seq in sorted(sizes, key=lambda one: -sizes[one]):
            if sizes[seq] <= (OUTPUT_LIMIT if total <= CHUNK_OUTPUT_LIMIT else _LEAST_MOVED_BYTES):
                return
            moved = await self._move(results[seq], token, wanted)
            if moved is None:
                return
            results[seq] = moved
            total += _size(moved) - sizes[seq]

    async def _move(self, result: Result, token: str, wanted: Callable[[], bool]) -> Result | None:
        key = f"outputs/{result.task.run}/{result.task.seq}.{token}.txt"
        failures = 0
        while wanted():
            try:
                text = result.output or result.error
                stored = await self._store.put(key, text.encode(), "text/plain; charset=utf-8", {})
            except ServiceError as error:
                self._log.warning("store-failed", task=str(result.task), error=str(error))
                failures += 1
                await trio.sleep(_BACKOFF.wait(failures, self._rng))
            else:
                if result.output:
                    return replace(result, output=stored.address)
                return replace(result, error=f"{result.error[:200]}… (whole text: {stored.address})")
        return None


def fitting(results: Iterable[Result]) -> tuple[Result, ...]:
    """Return those results, in their order, that fit an item together as they are."""
    kept, total = [], 0
    for result in results:
        size = _size(result)
        if size <= OUTPUT_LIMIT and total + size <= CHUNK_OUTPUT_LIMIT:
            kept.append(result)
            total += size
    return tuple(kept)


def _size(result: Result) -> int:
    return len(result.output.encode()) + len(result.error.encode())
