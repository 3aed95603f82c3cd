"""Records the pushes of this machine, so that an interrupted push can be resumed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cloudkon.errors import InvalidInput
from cloudkon.model import Run
from cloudkon.programs import command
from cloudkon.settings import Settings

from .journal import Journal
from .known_runs import KnownRuns, replace_text


class PushRecord:
    """One unfinished push: its run's id (empty if it has none yet), and how many chunks are known to be sent.

    Chunks are sent out of order; ``sent`` counts the chunks before the first that is not known to be sent.
    """

    def __init__(self, journal: Journal) -> None:
        """Read what an earlier push recorded."""
        self._journal = journal
        self.run_id = ""
        self.sent = 0
        for fact in journal.facts():
            self.run_id = str(fact.get("run", self.run_id))
            self.sent = int(fact.get("sent", self.sent))

    def begin(self, run_id: str) -> None:
        """Record a new run durably. Only after this may its first message be sent."""
        self._journal.clear()
        self._journal.append({"run": run_id}, durable=True)
        self.run_id, self.sent = run_id, 0

    def note(self, sent: int) -> None:
        """Record how many chunks are known to be sent. If a power cut loses this, some are sent twice."""
        if sent != self.sent:
            self._journal.append({"sent": sent})
            self.sent = sent

    def finish(self) -> None:
        """Delete the record: the next push of the workload creates a new run."""
        self._journal.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Pushes:
    """The pushes of this machine to one fleet, in the state directory."""

    directory: Path
    target: str
    fleet: str

    @classmethod
    def of(cls, settings: Settings) -> "Pushes":
        """Return the pushes to the settings' fleet."""
        return cls(settings.state_dir / "pushes", settings.target, settings.fleet)

    @property
    def _prefix(self) -> str:
        return f"{self.target}-{quote(self.fleet, safe='')}"

    @property
    def runs(self) -> KnownRuns:
        """The runs that this machine pushed."""
        return KnownRuns(self.directory / "runs", self._prefix)

    @contextmanager
    def record(self, digest: str, chunk_size: int) -> Iterator[PushRecord]:
        """Open the record of a workload's push, locked against other processes until the context ends.

        Raises ``InvalidInput`` if another process is pushing the same workload with the same chunk size.
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
        """Return the ids of a workload's runs whose pushes are unfinished, by chunk size."""
        found: dict[int, str] = {}
        for path in sorted(self.directory.glob(f"{self._prefix}-{name}-*")):
            journal = Journal(path)
            run_id = PushRecord(journal).run_id
            journal.close()
            if run_id:
                found[int(path.name.rpartition("-")[2])] = run_id
        return found

    def others(self, name: str, chunk_size: int) -> list[str]:
        """Return the ids of the same workload's unfinished runs with another chunk size."""
        return [run_id for size, run_id in self.unfinished(name).items() if size != chunk_size]

    def remember(self, run: Run) -> None:
        """Record the run as the last one pushed, and keep it so that it can be pushed again."""
        self.runs.keep(run)
        replace_text(self._last, run.id + "\n")

    def last(self) -> str:
        """Return the id of the run pushed last, or raise ``InvalidInput``."""
        try:
            return self._last.read_text(encoding="ascii").strip()
        except UnicodeDecodeError:
            remedy = f"Delete the file, and give the run's id. List runs with: {command('client runs')}"
            raise InvalidInput(str(self._last), "can't read the id of the run pushed last", remedy) from None
        except FileNotFoundError:
            remedy = f"Give a run's id, or push a run with: {command('client push')}"
            raise InvalidInput("run", f"none was pushed from here to fleet {self.fleet!r}", remedy) from None

    @property
    def _last(self) -> Path:
        return self.directory / f"last-{self._prefix}"


def _locked_journal(path: Path) -> Journal:
    while True:
        journal = Journal(path)
        try:
            fcntl.flock(journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have finished and deleted the file in between: then this lock protects nothing.
            if os.path.samestat(os.fstat(journal.fileno()), path.stat()):
                return journal
        except BlockingIOError:
            journal.close()
            remedy = "Wait for it, or stop it and push again to resume"
            raise InvalidInput("push", "another process is pushing the same workload", remedy) from None
        except FileNotFoundError:
            pass
        journal.close()
