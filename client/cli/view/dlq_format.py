"""Formats a dead letter as a line and as JSON."""

from cloudkon.printable import printable

from ...dead_letters.dead_letters import DeadLetter
from .formatting import counted

_SHORT_ID_CHARACTERS = 8


def letter_line(letter: DeadLetter) -> str:
    """Format a dead letter as one line for people."""
    chunk = letter.chunk
    what = f"{chunk.key}, {counted(len(chunk), 'task')}" if chunk else "no chunk"
    short_id = letter.delivery.message_id[:_SHORT_ID_CHARACTERS]
    return f"{short_id}  {letter.pool}  {letter.state}  {what}: {printable(letter.reason)}"


def letter_json(letter: DeadLetter) -> dict[str, object]:
    """Return the object that ``dlq list --json`` prints."""
    chunk = letter.chunk
    return {
        "id": letter.delivery.message_id,
        "pool": letter.pool,
        "state": letter.state,
        "run": chunk.key.run if chunk else None,
        "chunk": chunk.key.number if chunk else None,
        "tasks": len(chunk) if chunk else None,
        "reason": letter.reason,
        "receives": letter.delivery.receives,
    }
