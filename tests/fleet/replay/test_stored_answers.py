"""Answers that AWS really gave go through all our readers, whatever optional members they have or lack."""

import re
from pathlib import Path

import pytest
import trio.testing

from tests.fleet.double.clients import client
from tests.fleet.replay.readers import READERS, UNREAD, read
from tests.fleet.replay.stored_answers import STORED, stored, stored_answers

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("operation", sorted(stored()["answers"]))
async def test_each_answer_is_read(operation: str, autojump_clock: trio.testing.MockClock) -> None:
    crashed = []
    for number, one in enumerate(stored_answers(operation)):
        try:
            await read(operation, one.answer)
        except Exception as error:  # noqa: BLE001  (all are shown together)
            crashed.append(f"{operation} #{number} ({one.source}): {error!r:.300}")
    assert not crashed, "\n".join(crashed)


def calls_in_the_code() -> set[str]:
    """Return the operations that the fleet's code names together with their service."""
    named = re.compile(r"\b(?:call|pages)\(\s*\"([a-z0-9-]+)\",\s*\"([a-z_]+)\"|\becs\(\s*\"()?([a-z_]+)\"")
    found = set()
    for folder in ("fleet", "cloudkon"):
        for path in (ROOT / folder).rglob("*.py"):
            for service, operation, _, of_ecs in named.findall(path.read_text(encoding="utf-8")):
                name = service or "ecs"
                made = client(name).meta.method_to_api_mapping[operation or of_ecs]
                found.add(f"{name}.{made}")
    return found


def test_every_answer_that_the_code_reads_has_a_reader_here() -> None:
    """Whoever makes the fleet read another operation adds it to ``READERS``, or to ``UNREAD`` if nothing is read."""
    calls = calls_in_the_code()
    assert len(calls) > 30
    assert sorted(name for name in calls if name not in READERS and name.partition(".")[2] not in UNREAD) == []


def test_stored_answers_hold_nobodys_data() -> None:
    text = STORED.read_text(encoding="utf-8")
    assert len(text) < 500_000
    assert set(re.findall(r"(?<![\w-])\d{12}(?![\w-])", text)) == {"123456789012"}
    assert set(re.findall(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", text)) <= set(re.findall(r"person-\w{8}@example\.com", text))
    addresses = set(re.findall(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", text))
    assert {one for one in addresses if not one.startswith(("240.", "0.", "127.", "255.", "169.254."))} == set()
    assert not re.findall(r"\b(?:AKIA|ASIA)(?![0-9A-F]{16}\b)\w{16}", text)
    assert {"date", "licence", "commit"} <= stored()["sources"]["cloud-custodian"].keys()
