"""Findings: what was measured so far, in a file, so that a bench that broke off goes on where it was."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from cloudkon.errors import InvalidInput

from ..records.known_runs import replace_text
from .experiments import Cell

NAME = "findings.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cell, measured. ``seconds`` are from the first task's start to the last one's end, ``slots`` those of all.

    ``busy`` is the seconds that the tasks took together, as asked for where they sleep; ``run`` is empty where they ran
    in one process.
    """

    tasks: int
    failed: int
    seconds: float
    busy: float
    slots: int
    run: str
    date: str

    @property
    def tasks_per_second(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds

    @property
    def efficiency(self) -> float:
        """Of the time that the slots were there, how much was work; 0 to 1."""
        return self.busy / (self.seconds * self.slots)


@dataclass(slots=True)
class Findings:
    """All findings of one bench. ``terms`` are what all of them have in common, and must not change."""

    folder: Path
    terms: Mapping[str, Any]
    measured: dict[str, Finding] = field(default_factory=dict)
    going: str = ""
    """The run of the cell that is being measured, or that was when the bench broke off."""

    @classmethod
    def opened(cls, folder: Path, terms: Mapping[str, Any]) -> Self:
        """Those of a folder, or new ones. Raises ``InvalidInput`` where they were measured on other terms."""
        path = folder / NAME
        if not path.exists():
            return cls(folder, terms)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            measured = {key: Finding(**fields) for key, fields in kept["measured"].items()}
            before, going = kept["terms"], str(kept["going"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InvalidInput(str(path), "it is no file of a bench", "Move it, or give another --output") from None
        differing = [name for name in terms if before.get(name) != terms[name]]
        if measured and differing:
            facts = ", ".join(f"{name} {before.get(name)!r}, not {terms[name]!r}" for name in differing)
            raise InvalidInput(str(path), f"it was measured with {facts}", "Give the same, or another --output")
        return cls(folder, terms, measured, going)

    def of(self, cell: Cell) -> Finding | None:
        """What was found of a cell."""
        return self.measured.get(cell.key)

    def begin(self, run: str) -> None:
        """Keep that a run is being measured: if this process dies, the next one must be rid of it first."""
        self.going = run
        self._save()

    def cleared(self) -> None:
        """Keep that nothing is left of the run that was being measured."""
        self.going = ""
        self._save()

    def keep(self, cell: Cell, finding: Finding) -> None:
        """Keep what was found of a cell, and that its run is over."""
        self.measured[cell.key] = finding
        if finding.run == self.going:
            self.going = ""
        self._save()

    def as_json(self) -> dict[str, Any]:
        """As in the file."""
        measured = {key: asdict(finding) for key, finding in self.measured.items()}
        return {"terms": dict(self.terms), "going": self.going, "measured": measured}

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_text(self.folder / NAME, json.dumps(self.as_json(), indent=1) + "\n")
