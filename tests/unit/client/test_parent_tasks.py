"""The list of a retry's tasks: nothing of what the store returns is used before it is known to be the right list."""

import gzip
import hashlib
from dataclasses import replace

import pytest

from client.records.parent_tasks import digest_of, keep_parent_tasks, parent_tasks
from cloudkon.errors import InvalidInput
from cloudkon.memory import MemoryStore
from cloudkon.memory.virtual_clock import EPOCH
from cloudkon.model import WORKER, Run

KEY = "runs/again/parents.gz"
NUMBERS = [3, 1, 2**53 - 1]


def retry_of(digest: str, count: int = len(NUMBERS)) -> Run:
    run = Run.plan(run_id="again", counts={WORKER.name: count}, chunk_size=1, digest="", started=EPOCH)
    return replace(run, parent="first", parent_tasks=digest)


async def test_list_is_read_as_it_was_kept() -> None:
    store, run = MemoryStore(), retry_of(digest_of(NUMBERS))
    await keep_parent_tasks(store, run, NUMBERS)
    assert list(await parent_tasks(store, run) or ()) == NUMBERS


async def test_list_that_is_gone_or_was_never_kept_is_none() -> None:
    assert await parent_tasks(MemoryStore(), retry_of("")) is None
    assert await parent_tasks(MemoryStore(), retry_of(digest_of(NUMBERS))) is None


@pytest.mark.parametrize(
    "stored",
    [
        gzip.compress(b"3\n1\n2\n"),
        gzip.compress(b"3\n1\n9007199254740991\n", mtime=0)[:-9],
        gzip.compress(bytes(900_000)),
        gzip.compress(b"3\n1\n9007199254740991\n") + b"more",
        b"3\n1\n9007199254740991\n",
        bytes(100_000),
        b"",
    ],
    ids=["other numbers", "cut off", "bomb", "more behind", "not packed", "too large", "empty"],
)
async def test_other_content_is_refused_by_name(stored: bytes) -> None:
    store, run = MemoryStore(), retry_of(digest_of(NUMBERS))
    await store.put(KEY, stored, "application/gzip", {})
    with pytest.raises(InvalidInput, match=r"parents\.gz is not the list of parent's tasks that it was pushed with"):
        await parent_tasks(store, run)


async def test_bomb_is_unpacked_no_further_than_a_right_list_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = MemoryStore(), retry_of(digest_of(NUMBERS))
    await store.put(KEY, gzip.compress(bytes(900_000)), "application/gzip", {})
    hashed: list[int] = []

    class Counting:
        def update(self, piece: bytes) -> None:
            hashed.append(len(piece))

    monkeypatch.setattr("client.records.parent_tasks._PIECE_BYTES", 16)
    monkeypatch.setattr(hashlib, "sha256", Counting)
    with pytest.raises(InvalidInput):
        await parent_tasks(store, run)
    assert sum(hashed) <= 20 * run.count


@pytest.mark.parametrize(
    "lines",
    [b"3\n3\n4\n", b"3\n4\n", b"3\n4\nfive\n", b"-1\n3\n4\n", b"99999999999999999999\n3\n4\n", b"1" * 60],
    ids=["twice", "too few", "no number", "negative", "too large", "one long line"],
)
async def test_list_that_can_not_be_of_the_run_is_refused_although_its_digest_is_right(lines: bytes) -> None:
    store, run = MemoryStore(), retry_of(hashlib.sha256(lines).hexdigest())
    await store.put(KEY, gzip.compress(lines), "application/gzip", {})
    with pytest.raises(InvalidInput, match="its list of parent's tasks has other tasks than the run"):
        await parent_tasks(store, run)
