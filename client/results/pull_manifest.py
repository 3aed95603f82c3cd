"""Records, in a journal in the folder, which files a pull wrote and from which objects."""

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
    """A file's origin; ``size`` is -1 and ``etag`` empty until the file is whole. ``facts`` are object metadata."""

    address: str
    size: int = -1
    etag: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredObject) -> Self:
        """Describe a whole file."""
        return cls(stored.address, stored.size, stored.etag, stored.facts)

    @classmethod
    def from_fact(cls, fact: Mapping[str, object]) -> Self:
        """Read an entry of the journal."""
        facts = fact.get("facts")
        return cls(
            str(fact["address"]),
            int(str(fact.get("size", -1))),
            str(fact.get("etag", "")),
            {str(name): str(text) for name, text in facts.items()} if isinstance(facts, dict) else {},
        )


class PullRecord(AbstractContextManager["PullRecord"]):
    """The files that pulls wrote into one folder, by name. Raises ``OSError`` if the folder can't be written."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if it is missing, and read its journal."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._journal = Journal(folder / JOURNAL_NAME)
        self._pulls = {
            str(fact["name"]): Pull.from_fact(fact)
            for fact in self._journal.facts()
            if "name" in fact and "address" in fact
        }

    def whole(self, name: str, address: str) -> Pull | None:
        """Return the record of a file that was pulled from that address and is still whole, or ``None``."""
        pull = self._pulls.get(name)
        path = self._folder / name
        if pull is None or pull.address != address or not path.is_file() or path.stat().st_size != pull.size:
            return None
        return pull

    def is_foreign(self, name: str) -> bool:
        """Whether the folder has a file of that name that no pull wrote."""
        return name not in self._pulls and (self._folder / name).exists()

    def begin(self, name: str, address: str) -> None:
        """Record that a pull is about to write the file, so that it isn't foreign after a crash."""
        self._pulls[name] = Pull(address)
        self._journal.append({"name": name, "address": address})

    def done(self, name: str, stored: StoredObject) -> None:
        """Record that the file is whole."""
        pull = self._pulls[name] = Pull.of(stored)
        self._journal.append({"name": name, **asdict(pull)})

    def __exit__(self, *_exception: object) -> None:
        """Close the journal."""
        self._journal.close()

    def __enter__(self) -> Self:
        """Return the record itself."""
        return self
