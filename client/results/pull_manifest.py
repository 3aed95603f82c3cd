"""Records, in a journal in the folder, whose files a folder holds, and from which objects a pull wrote each.

A folder belongs to one run and its retries. A file is written under a hidden name first. Then the journal records what
the file is, and only then the file gets its name. So after a crash at any moment the journal tells files that a pull
wrote from the user's own. The journal is locked while a pull writes into the folder.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from cloudkon.errors import InvalidInput
from cloudkon.ports import StoredObject
from cloudkon.programs import command

from ..records.journal import Journal

JOURNAL_NAME = ".pulled.jsonl"
PAGE_ADDRESS = "gallery"
"""Stands for the address of a gallery's page, which is from no object."""
_MTIME_TOLERANCE = 2.0
"""Seconds by which a file's time of change may differ from the recorded one: FAT rounds it to two seconds."""
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""The errors of file systems without locks."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV})
"""The errors of file systems without hard links."""


@dataclass(frozen=True, slots=True)
class Pull:
    """A file's origin: the task and the object that it is from, and what the whole file is.

    ``facts`` are object metadata. ``task`` is empty, and ``mtime`` 0.0, in journals of earlier versions.
    """

    address: str
    size: int = -1
    etag: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    task: str = ""
    mtime: float = 0.0

    @classmethod
    def from_fact(cls, fact: Mapping[str, Any]) -> Self:
        """Read an entry of the journal."""
        facts = fact.get("facts")
        return cls(
            str(fact["address"]),
            int(str(fact.get("size", -1))),
            str(fact.get("etag", "")),
            {str(name): str(text) for name, text in facts.items()} if isinstance(facts, dict) else {},
            str(fact.get("task", "")),
            float(str(fact.get("mtime", 0.0))),
        )

    def describes(self, found: os.stat_result) -> bool:
        """Whether a file is the one that was written, and was not changed since."""
        if not self.mtime:
            # An earlier version recorded no time of change, and of a page no size either.
            return self.size == found.st_size or self.address == PAGE_ADDRESS
        return found.st_size == self.size and abs(found.st_mtime - self.mtime) <= _MTIME_TOLERANCE


class PullRecord(AbstractContextManager["PullRecord"]):
    """The files that pulls wrote into one folder, by name. Raises ``OSError`` if the folder can't be written."""

    def __init__(self, folder: Path, root: str, run: str = "") -> None:
        """Create the folder if it is missing, lock its journal, and record that the folder belongs to run ``root``.

        ``run`` is the run that is pulled, for errors: ``root`` itself or a retry of it. Raises ``InvalidInput`` if the
        folder belongs to another run, or if another pull is writing into it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._run = run or root
        path = folder / JOURNAL_NAME
        if path.is_symlink():
            raise InvalidInput(str(path), "it is a symbolic link", "Remove the link, or name another folder")
        self._journal = Journal(path)
        try:
            self._lock()
            # Each name's entries, the newest last.
            self._pulls: dict[str, list[Pull]] = {}
            self._claim(root)
        except BaseException:
            self._journal.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(f"folder {self._folder}", "another pull is writing into it", "Wait for it") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise

    def _claim(self, root: str) -> None:
        owner = ""
        for fact in self._journal.facts():
            owner = owner or str(fact.get("root", ""))
            if "name" in fact and "address" in fact:
                # A line that another program wrote must not hide the others.
                with suppress(ValueError):
                    self._pulls.setdefault(str(fact["name"]), []).append(Pull.from_fact(fact))
        if not owner:
            self._refuse_unless_all_of(root)
            self._journal.append({"root": root}, durable=True)
        elif owner != root:
            self._refuse(f"it holds the files of run {owner}")

    def _refuse_unless_all_of(self, root: str) -> None:
        """Refuse a folder that an earlier version pulled another run into: it recorded addresses alone."""
        addresses = [pulls[-1].address for pulls in self._pulls.values()]
        if any(address.startswith("s3://") and root not in address.split("/") for address in addresses):
            self._refuse(f"an earlier version pulled files into it that may be of another run than {root}")

    def _refuse(self, reason: str) -> None:
        pull = command(f"client pull {self._run} {self._folder / self._run}")
        raise InvalidInput(f"folder {self._folder}", reason, f"Pull into another folder: {pull}")

    def whole(self, name: str, address: str) -> Pull | None:
        """Return the record of a file that was pulled from that address and is still whole, or ``None``."""
        pulls, found = self._pulls.get(name), self._file(name)
        if not pulls or pulls[-1].address != address or found is None or found.st_size != pulls[-1].size:
            return None
        return pulls[-1]

    def check_free(self, name: str, task: str, address: str) -> None:
        """Raise ``InvalidInput`` unless a task's object may be written under that name.

        What a pull wrote may be replaced by the same object of the same task, and by nothing else.
        """
        path = self._folder / name
        pulls = self._pulls.get(name, [])
        if not os.path.lexists(path):
            return
        found = self._file(name)
        written = [pull for pull in pulls if found is not None and pull.describes(found)]
        if not pulls:
            raise _not_ours(path)
        if not written:
            raise InvalidInput(str(path), "this file was changed since it was pulled", "Move it to fetch it again")
        if written[-1].address != address or written[-1].task not in (task, ""):
            reason = f"it holds another result, of task {written[-1].task or 'unknown'}"
            raise InvalidInput(str(path), reason, f"Pull run {task.partition('/')[0]} into another folder")

    def _file(self, name: str) -> os.stat_result | None:
        """The state of a file; ``None`` if there is none, or something else, as a link or a folder."""
        try:
            found = (self._folder / name).lstat()
        except FileNotFoundError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def staged(self, name: str) -> Iterator[Path]:
        """Provide a hidden path for the content of a file. What is still there at the end is deleted."""
        path = self._folder / f".{name}.{secrets.token_hex(4)}.part"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def place(self, name: str, staged: Path, stored: StoredObject, task: str) -> None:
        """Give a whole staged file its name, and record it. Raises ``InvalidInput`` as ``check_free`` does."""
        self.check_free(name, task, stored.address)
        found = staged.stat()
        pull = Pull(stored.address, found.st_size, stored.etag, stored.facts, task, found.st_mtime)
        self._journal.append({"name": name, **asdict(pull)})
        self._pulls.setdefault(name, []).append(pull)
        path = self._folder / name
        if self._file(name) is not None:
            staged.replace(path)
        else:
            _rename_unless_exists(staged, path)

    def __exit__(self, *_exception: object) -> None:
        """Close the journal, which unlocks it."""
        self._journal.close()

    def __enter__(self) -> Self:
        """Return the record itself."""
        return self


def _rename_unless_exists(staged: Path, path: Path) -> None:
    """Rename a file. Raises ``InvalidInput`` if somebody has just made another of that name."""
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        raise _not_ours(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        staged.rename(path)


def _not_ours(path: Path) -> InvalidInput:
    return InvalidInput(str(path), "this file was not written by a pull", "Move it, or name another folder")
