"""Pushes: what this machine knows of the runs it pushed, so that a push that broke off can go on."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cloudkon.errors import InvalidInput
from cloudkon.model import Run
from cloudkon.settings import Settings

from .journal import Journal
from .known_runs import KnownRuns, replace_text


class PushRecord:
    """One unfinished push: its run's id (empty if it has none yet), and how many chunks are known sent.

    Chunks are sent out of order; ``sent`` counts only those before which none is missing.
    """

    def __init__(self, journal: Journal) -> None:
        """Read what an earlier push left."""
        self._journal = journal
        self.run_id = ""
        self.sent = 0
        for fact in journal.facts():
            self.run_id = str(fact.get("run", self.run_id))
            self.sent = int(fact.get("sent", self.sent))

    def begin(self, run_id: str) -> None:
        """Record a new run. It outlives a crash from here on, so the first message may be sent after it."""
        self._journal.clear()
        self._journal.append({"run": run_id}, durable=True)
        self.run_id, self.sent = run_id, 0

    def note(self, sent: int) -> None:
        """Record how many chunks are known sent. Lost by a power cut, it only makes some be sent twice."""
        if sent != self.sent:
            self._journal.append({"sent": sent})
            self.sent = sent

    def finish(self) -> None:
        """All is sent: the next push of the workload makes a new run."""
        self._journal.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Pushes:
    """The pushes of one fleet from this machine, under the state directory."""

    directory: Path
    target: str
    fleet: str

    @classmethod
    def of(cls, settings: Settings) -> "Pushes":
        """Those of the settings' fleet."""
        return cls(settings.state_dir / "pushes", settings.target, settings.fleet)

    @property
    def _prefix(self) -> str:
        return f"{self.target}-{quote(self.fleet, safe='')}"

    @property
    def runs(self) -> KnownRuns:
        """What is kept of the runs that were pushed from here."""
        return KnownRuns(self.directory / "runs", self._prefix)

    @contextmanager
    def record(self, digest: str, chunk_size: int) -> Iterator[PushRecord]:
        """The record of a workload's push, held against other processes until the end.

        Raises ``InvalidInput`` if another process is pushing the same workload in the same chunks.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{self._prefix}-{digest}-{chunk_size}"
        journal = _locked_journal(path)
        record = PushRecord(journal)
        try:
            yield record
        finally:
            if not record.run_id:
                record.finish()
            journal.close()

    def unfinished(self, name: str) -> dict[int, str]:
        """The runs of a workload whose pushes broke off, by the size of their chunks."""
        found: dict[int, str] = {}
        for path in sorted(self.directory.glob(f"{self._prefix}-{name}-*")):
            journal = Journal(path)
            run_id = PushRecord(journal).run_id
            journal.close()
            if run_id:
                found[int(path.name.rpartition("-")[2])] = run_id
        return found

    def others(self, name: str, chunk_size: int) -> list[str]:
        """Ids of runs whose push broke off, of the same workload in chunks of another size."""
        return [run_id for size, run_id in self.unfinished(name).items() if size != chunk_size]

    def remember(self, run: Run) -> None:
        """Make it the last run pushed, and keep what it takes to push it again."""
        self.runs.keep(run)
        replace_text(self._last, run.id + "\n")

    def last(self) -> str:
        """The last run pushed, or raise ``InvalidInput``."""
        try:
            return self._last.read_text(encoding="ascii").strip()
        except UnicodeDecodeError:
            remedy = "Delete that file, and give the run's id: python -m client runs lists them"
            raise InvalidInput(str(self._last), "what it says of the run pushed last can't be read", remedy) from None
        except FileNotFoundError:
            remedy = "Push one with: python -m client push, or give a run's id"
            raise InvalidInput("run", f"none was pushed from here to fleet {self.fleet!r}", remedy) from None

    @property
    def _last(self) -> Path:
        return self.directory / f"last-{self._prefix}"


def _locked_journal(path: Path) -> Journal:
    while True:
        journal = Journal(path)
        try:
            fcntl.flock(journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock may have finished and unlinked the file in between: then it is nobody's.
            if os.path.samestat(os.fstat(journal.fileno()), path.stat()):
                return journal
        except BlockingIOError:
            journal.close()
            remedy = "Wait for it, or stop it: this one then goes on where it stopped"
            raise InvalidInput("push", "another process is pushing this very workload", remedy) from None
        except FileNotFoundError:
            pass
        journal.close()
