"""Lists which files of ``fleet/policies`` a verb needs, and reads them.

The files are IAM policies with placeholders such as ``${Fleet}``; ``rendering`` fills these in.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cloudkon.errors import InvalidInput

FOLDER: Final = Path(__file__).parents[2] / "policies"
FILES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "up": ("up", "status"),
    "deploy": ("up", "publish", "status"),
    "autoscale": ("up", "status"),
    "publish": ("publish",),
    "scale": ("scale",),
    "status": ("status",),
    "logs": ("status",),
    "down": ("down",),
    "client": ("client",),
}
"""The files that a person needs for each verb of the fleet; ``client`` stands for all commands of the client.

``up``, ``deploy`` and ``autoscale`` show the state of the fleet while they wait: they need what ``status`` needs."""
DELETE_DATA: Final = "delete-data"
"""The file that ``down --delete-data`` needs besides those of ``down``."""
ANY: Final = "*"
"""Stands for an account or a region that is not known: the policy is valid in all of them."""

Statement = Mapping[str, Any]


def statements_of(verb: str, *, delete_data: bool = False) -> list[Statement]:
    """Return the statements that a verb needs, with placeholders, each of them once.

    Raises ``InvalidInput`` for an unknown verb, and for ``delete_data`` with another verb than ``down``.
    """
    if verb not in FILES_OF:
        raise InvalidInput(f"verb {verb!r:.60}", "there are no policies for it", f"Verbs: {', '.join(FILES_OF)}")
    if delete_data and verb != "down":
        raise InvalidInput("--delete-data", f"{verb} deletes no data", "Use it with down, or leave it out")
    found: list[Statement] = []
    for file in (*FILES_OF[verb], *([DELETE_DATA] if delete_data else [])):
        found += [one for one in _read(file) if one not in found]
    return found


def _read(file: str) -> list[Statement]:
    document = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))
    statements: list[Statement] = document["Statement"]
    return statements
