"""Collects a chunk's instructions while a workload is read, to check that they fit one message or payload."""

from dataclasses import dataclass, field

from cloudkon.errors import InvalidInstruction
from cloudkon.wire.message import MESSAGE_LIMIT, MOST_TASKS, message_size
from cloudkon.wire.payload import PAYLOAD_LIMIT

_MOST_JSON_BYTES = 6
"""The most bytes that JSON makes of one byte."""
_INSTRUCTION_BYTES = MESSAGE_LIMIT - 8 * MOST_TASKS
"""Bytes of a message that are left for its instructions in JSON."""


@dataclass(slots=True)
class OpenChunk:
    """The instructions of a pool's chunk that is not full yet; ``line`` is the first one's line number."""

    line: int
    instructions: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, instruction: str, size: int) -> None:
        """Add an instruction of ``size`` bytes."""
        self.size += size
        if self.size <= PAYLOAD_LIMIT:
            self.instructions.append(instruction)

    def check(self) -> None:
        """Raise ``InvalidInstruction`` if the instructions together are too large."""
        # Most chunks don't need the exact check, which costs as much as all other checks.
        if self.size * _MOST_JSON_BYTES <= PAYLOAD_LIMIT - 8 * MOST_TASKS:
            return
        if self.size > PAYLOAD_LIMIT or message_size(self.instructions) > PAYLOAD_LIMIT:
            raise InvalidInstruction(
                "chunk",
                f"its instructions, from this line on, are larger than a chunk's limit of {PAYLOAD_LIMIT:,} bytes",
                "Push with a lower --chunk",
            )


def most_that_fit(longest: int) -> int:
    """Return how many instructions of up to ``longest`` bytes always fit one message."""
    return max(1, min(MOST_TASKS, _INSTRUCTION_BYTES // (_MOST_JSON_BYTES * max(1, longest))))
