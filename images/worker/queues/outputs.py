"""Outputs: what is too long for the ledger goes to the store, and the result carries its address."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import trio

from cloudkon.errors import ServiceError
from cloudkon.log import Log
from cloudkon.model import Result
from cloudkon.model.result import CHUNK_OUTPUT_LIMIT, OUTPUT_LIMIT
from cloudkon.ports import Store

_LONGEST_BACKOFF = 10.0
_WORTH_MOVING = 256
"""Bytes below which a text stays: an address is hardly shorter, and a thousand of them still fit an item."""


class Outputs:
    """Keeps a chunk's results small enough for its item."""

    def __init__(self, store: Store, rng: random.Random, log: Log) -> None:
        """Everything passed in."""
        self._store = store
        self._rng = rng
        self._log = log

    async def fit(self, results: dict[int, Result], token: str, wanted: Callable[[], bool]) -> None:
        """Replace, in place, long texts by their addresses; stops trying once ``wanted`` says no.

        First every text over 4 KiB, then the longest ones until the chunk's are 64 KiB together.
        """
        sizes = {seq: _size(result) for seq, result in results.items()}
        total = sum(sizes.values())
        for seq in sorted(sizes, key=lambda one: -sizes[one]):
            if sizes[seq] <= (OUTPUT_LIMIT if total <= CHUNK_OUTPUT_LIMIT else _WORTH_MOVING):
                return
            moved = await self._move(results[seq], token, wanted)
            if moved is None:
                return
            results[seq] = moved
            total += _size(moved) - sizes[seq]

    async def _move(self, result: Result, token: str, wanted: Callable[[], bool]) -> Result | None:
        key = f"outputs/{result.task.run}/{result.task.seq}.{token}.txt"
        backoff = 0.2
        while wanted():
            try:
                text = result.output or result.error
                stored = await self._store.put(key, text.encode(), "text/plain; charset=utf-8", {})
            except ServiceError as error:
                self._log.warning("store-failed", task=str(result.task), error=str(error))
                await trio.sleep(self._rng.uniform(0, backoff))
                backoff = min(_LONGEST_BACKOFF, backoff * 2)
            else:
                if result.output:
                    return replace(result, output=stored.address)
                return replace(result, error=f"{result.error[:200]}… (whole text: {stored.address})")
        return None


def fitting(results: Iterable[Result]) -> tuple[Result, ...]:
    """Those results, in their order, that can stand in an item together as they are."""
    kept, total = [], 0
    for result in results:
        size = _size(result)
        if size <= OUTPUT_LIMIT and total + size <= CHUNK_OUTPUT_LIMIT:
            kept.append(result)
            total += size
    return tuple(kept)


def _size(result: Result) -> int:
    return len(result.output.encode()) + len(result.error.encode())
