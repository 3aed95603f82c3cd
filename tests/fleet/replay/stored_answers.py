"""Reads the stored shapes of AWS's answers, which ``extract_answers`` made."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.fleet.replay.modelled import from_json, operation_model

STORED: Final = Path(__file__).with_name("answers.json")


@dataclass(frozen=True)
class StoredAnswer:
    """One answer of AWS; ``source`` is the project that recorded it."""

    operation: str
    source: str
    answer: dict[str, Any]


@dataclass(frozen=True)
class StoredError:
    """One refusal of AWS, with the HTTP status that it came with."""

    service: str
    code: str
    status: int
    source: str
    message: str


@cache
def stored() -> dict[str, Any]:
    """Return the file's content."""
    found: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return found


def stored_answers(operation: str) -> list[StoredAnswer]:
    """Return an operation's answers as botocore would parse them."""
    shape = operation_model(*operation.split(".")).output_shape
    return [
        StoredAnswer(operation, source, from_json(answer, shape)) for source, answer in stored()["answers"][operation]
    ]


def stored_errors() -> list[StoredError]:
    """Return the refusals."""
    return [StoredError(*row) for row in stored()["errors"]]
