"""Keeps the findings of a bench in a file, so that an interrupted bench continues where it stopped."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from cloudkon.errors import InvalidInput

from ..records.known_runs import replace_text
from .experiments import Cell

FILE_NAME = "findings.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """The measurement of one cell.

    ``seconds`` is the time from the first task's start to the last one's end, ``slots`` the number of slots in all.
    ``busy`` is the sum of the tasks' seconds; a ``sleep`` task counts with the seconds of its instruction. ``run`` is
    empty for experiments in one process.
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
        """Tasks per second."""
        return self.tasks / self.seconds

    @property
    def efficiency(self) -> float:
        """The share of the slots' time that was work; 0 to 1."""
        return self.busy / (self.seconds * self.slots)


@dataclass(slots=True)
class Findings:
    """All findings of one bench. Their ``terms`` are the same for all of them and must not change."""

    folder: Path
    terms: Mapping[str, Any]
    measured: dict[str, Finding] = field(default_factory=dict)
    going: str = ""
    """The run that is being measured, or that was when the bench was interrupted."""

    @classmethod
    def opened(cls, folder: Path, terms: Mapping[str, Any]) -> Self:
        """Open a folder's findings, or start new ones. Raises ``InvalidInput`` if their terms differ."""
        path = folder / FILE_NAME
        if not path.exists():
            return cls(folder, terms)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            measured = {key: Finding(**fields) for key, fields in kept["measured"].items()}
            before, going = kept["terms"], str(kept["going"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InvalidInput(str(path), "not a file of a bench", "Move it, or give another --output") from None
        differing = [name for name in terms if before.get(name) != terms[name]]
        if measured and differing:
            facts = ", ".join(f"{name} {before.get(name)!r}, not {terms[name]!r}" for name in differing)
            raise InvalidInput(str(path), f"it was measured with {facts}", "Give the same, or another --output")
        return cls(folder, terms, measured, going)

    def of(self, cell: Cell) -> Finding | None:
        """Return the finding of a cell, or ``None``."""
        return self.measured.get(cell.key)

    def begin(self, run: str) -> None:
        """Record that a run is being measured: if this process dies, the next bench must clear the run first."""
        self.going = run
        self._save()

    def cleared(self) -> None:
        """Record that nothing is left of the interrupted run."""
        self.going = ""
        self._save()

    def keep(self, cell: Cell, finding: Finding) -> None:
        """Record the finding of a cell, and that its run is over."""
        self.measured[cell.key] = finding
        if finding.run == self.going:
            self.going = ""
        self._save()

    def as_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        measured = {key: asdict(finding) for key, finding in self.measured.items()}
        return {"terms": dict(self.terms), "going": self.going, "measured": measured}

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_text(self.folder / FILE_NAME, json.dumps(self.as_json(), indent=1) + "\n")
