"""Answers that AWS really gave go through all our readers, whatever optional members they have or lack."""

import pytest
import trio.testing

from tests.fleet.replay.operations import ROWS
from tests.fleet.replay.readers import read
from tests.fleet.replay.stored_answers import stored, stored_answers


@pytest.mark.parametrize("operation", sorted(stored()["answers"]))
async def test_each_answer_is_read(operation: str, autojump_clock: trio.testing.MockClock) -> None:
    crashed = []
    for number, one in enumerate(stored_answers(operation)):
        try:
            await read(operation, one.answer)
        except Exception as error:  # noqa: BLE001  (all are shown together)
            crashed.append(f"{operation} #{number} ({one.source}): {error!r:.300}")
    assert not crashed, "\n".join(crashed)
