"""Pulls: what a folder knows of the files that were pulled into it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from cloudkon.ports import StoredObject

from ..records.journal import Journal

JOURNAL_NAME = ".pulled.jsonl"


@dataclass(frozen=True, slots=True)
class Pull:
    """A file's origin; ``size`` is -1 and ``etag`` empty until it was whole. ``facts`` are the object's own."""

    address: str
    size: int = -1
    etag: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredObject) -> Self:
        """That of a file that is whole."""
        return cls(stored.address, stored.size, stored.etag, stored.facts)

    @classmethod
    def noted(cls, fact: Mapping[str, object]) -> Self:
        """One out of the journal."""
        facts = fact.get("facts")
        return cls(
            str(fact["address"]),
            int(str(fact.get("size", -1))),
            str(fact.get("etag", "")),
            {str(name): str(text) for name, text in facts.items()} if isinstance(facts, dict) else {},
        )


class PullRecord(AbstractContextManager["PullRecord"]):
    """The files of one folder that pulls made, by name. Raises ``OSError`` where the folder can't be written."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, and read what it knows."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._journal = Journal(folder / JOURNAL_NAME)
        self._pulls = {
            str(fact["name"]): Pull.noted(fact)
            for fact in self._journal.facts()
            if "name" in fact and "address" in fact
        }

    def whole(self, name: str, address: str) -> Pull | None:
        """What was pulled, if the file is there as it was pulled from that address."""
        pull = self._pulls.get(name)
        path = self._folder / name
        if pull is None or pull.address != address or not path.is_file() or path.stat().st_size != pull.size:
            return None
        return pull

    def is_foreign(self, name: str) -> bool:
        """Whether a file of that name is there that no pull made."""
        return name not in self._pulls and (self._folder / name).exists()

    def begin(self, name: str, address: str) -> None:
        """Say that the file is going to be ours: after a crash it is not taken for somebody else's."""
        self._pulls[name] = Pull(address)
        self._journal.append({"name": name, "address": address})

    def done(self, name: str, stored: StoredObject) -> None:
        """Say that the file is whole."""
        pull = self._pulls[name] = Pull.of(stored)
        self._journal.append({"name": name, **asdict(pull)})

    def __exit__(self, *_exception: object) -> None:
        """Close the journal."""
        self._journal.close()

    def __enter__(self) -> Self:
        """Give the record itself."""
        return self
