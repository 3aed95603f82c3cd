"""Record: one chunk's item in the ledger, the truth about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cloudkon.model.chunk import ChunkKey
from cloudkon.model.result import Result, TaskState

RELEASED_LEASE_END = 0
"""The lease end of a chunk that was given back: over for everyone, and no worker died of it."""
NO_OWNER = ""
"""The owner of a released chunk: a late renewal of the one who released it finds its fence broken."""


class ChunkState(StrEnum):
    """Where a chunk is. One without an item was never claimed."""

    CLAIMED = "CLAIMED"
    """A worker has it, or had it and died or released it: the lease end tells."""
    DONE = "DONE"
    """Every task has its result; nothing changes it any more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a chunk's tasks so far, carried from claim to claim.

    ``failures`` counts failed attempts by task number. ``losses`` counts the workers that died on the chunk;
    from the first on, its tasks run one at a time and ``suspect`` names the one that is about to start, so that
    a death can be blamed: ``suspicions`` counts these by task number.
    """

    results: tuple[Result, ...] = ()
    failures: Mapping[int, int] = field(default_factory=dict)
    losses: int = 0
    suspect: int | None = None
    suspicions: Mapping[int, int] = field(default_factory=dict)

    def after_loss(self) -> "Progress":
        """The progress that the next claim inherits from a worker that died."""
        suspicions = dict(self.suspicions)
        if self.suspect is not None:
            suspicions[self.suspect] = suspicions.get(self.suspect, 0) + 1
        return replace(self, losses=self.losses + 1, suspect=None, suspicions=suspicions)

    def __hash__(self) -> int:
        """Hash by what identifies it well enough: dictionaries have no hash, and equal values agree on this."""
        return hash((self.results, self.losses, self.suspect))

    def count(self, state: TaskState) -> int:
        """How many tasks have a result of that state."""
        return sum(1 for result in self.results if result.state is state)


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One chunk's item.

    ``owner`` is the token of the claim that wrote it, ``attempt`` counts the claims, ``lease_end`` is in epoch
    milliseconds, ``tasks`` how many tasks the chunk has, ``expires`` the TTL in epoch seconds.
    """

    key: ChunkKey
    state: ChunkState
    owner: str
    attempt: int
    lease_end: int
    tasks: int = 1
    progress: Progress = field(default_factory=Progress)
    expires: int = 0
    readable: bool = True
    """Whether this version can read the item; else another one wrote it, and only that it is there is known."""

    @property
    def released(self) -> bool:
        """Whether its last holder gave it back rather than died."""
        return self.lease_end == RELEASED_LEASE_END
