"""Open chunk: a chunk's instructions while they are read, to see whether they can travel together."""

from dataclasses import dataclass, field

from cloudkon.errors import InvalidInstruction
from cloudkon.wire.message import MESSAGE_LIMIT, MOST_TASKS, message_size
from cloudkon.wire.payload import PAYLOAD_LIMIT

_WIDEST = 6
"""Bytes that JSON makes of one at the most."""
_ROOM = MESSAGE_LIMIT - 8 * MOST_TASKS
"""Bytes of a message for its instructions, as JSON writes them."""


@dataclass(slots=True)
class OpenChunk:
    """The instructions of a pool's chunk that is not full yet; ``line`` is where the first one stands."""

    line: int
    instructions: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, instruction: str, size: int) -> None:
        """Take one more, of so many bytes."""
        self.size += size
        if self.size <= PAYLOAD_LIMIT:
            self.instructions.append(instruction)

    def check(self) -> None:
        """Raise ``InvalidInstruction`` if they are too large together."""
        # Most chunks need no closer look, which costs as much as all other checks.
        if self.size * _WIDEST <= PAYLOAD_LIMIT - 8 * MOST_TASKS:
            return
        if self.size > PAYLOAD_LIMIT or message_size(self.instructions) > PAYLOAD_LIMIT:
            raise InvalidInstruction(
                "chunk",
                f"the instructions from here on are together over a chunk's limit of {PAYLOAD_LIMIT:,} bytes",
                "Push with a lower --chunk",
            )


def most_that_fit(longest: int) -> int:
    """How many instructions of up to so many bytes fit one message in any case."""
    return max(1, min(MOST_TASKS, _ROOM // (_WIDEST * max(1, longest))))
