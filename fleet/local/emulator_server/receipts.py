"""Makes receipts of earlier deliveries invalid after a crash.

After a crash the queues and the ledger are those of the last snapshot. A worker may still hold the receipt of a message
and delete it, because the ledger said DONE after the snapshot. That entry is lost, and the message is all that is left
of the task. So messages that were in flight are delivered again, under new receipts.
"""

import time
from collections.abc import Iterable
from typing import Any


def invalidate_receipts(queues: Iterable[Any]) -> None:
    """Make all messages that were received visible again. ``queues`` are the emulator's records."""
    now = time.time()
    for queue in queues:
        for message in queue["messages"]:
            if message.get("receipt_handle") is not None:
                message["receipt_handle"] = None
                message["visible_at"] = min(message["visible_at"], now)
