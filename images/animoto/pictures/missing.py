"""Defines pictures that can't be fetched or used, and how errors and outputs name them."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlsplit

from cloudkon.errors import CloudKonError, PermanentFailure

_SHOWN_LINK = 120
"""Characters."""
_LONGEST_REASON = 200
"""Characters; the messages of decoders and servers can be much longer."""
NAMED_IN_ERROR = 20
_NAMED_IN_OUTPUT = 5
"""With the longest links and reasons this stays below the 4 KiB of an output."""


class Outlook(Enum):
    """Whether another try may help."""

    NEVER = "never"
    """A 404, a file that is not a picture, a refused address: another try would fail again."""
    LATER = "later"
    """The task's next attempt may succeed."""
    SOON = "soon"
    """Another try may succeed at once, with backoff."""


class Unusable(CloudKonError):
    """A link leads to nothing that can be shown or heard."""

    def __init__(self, reason: str, outlook: Outlook = Outlook.NEVER, retry_after: float | None = None) -> None:
        """Keep the reason; ``retry_after`` is the wait that the server asks for, in seconds."""
        self.reason = " ".join(reason.split())[:_LONGEST_REASON]
        super().__init__(self.reason)
        self.outlook = outlook
        self.retry_after = retry_after


class MissingPicture(NamedTuple):
    """A picture of the job that is not in the video; ``number`` counts from 1."""

    number: int
    link: str
    reason: str
    outlook: Outlook

    def __str__(self) -> str:
        """Name the picture, its link and the reason for the user."""
        return f"picture {self.number}, {display_link(self.link)}: {self.reason}"


def display_link(link: str) -> str:
    """Return a link for errors and logs: shortened, and without its query, which may hold a signature."""
    parts = urlsplit(link)
    plain = f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")
    return plain if len(plain) <= _SHOWN_LINK else plain[: _SHOWN_LINK - 1] + "…"


def missing_note(missing: Sequence[MissingPicture], total: int) -> str:
    """Return the part of the output after the address: how many pictures are missing, and the first of them."""
    return f"({len(missing)} of {total} pictures missing: {_listed(missing, _NAMED_IN_OUTPUT)})"


def missing_failure(missing: Sequence[MissingPicture], seen: int, total: int) -> CloudKonError:
    """Return the error for a job that can't be made without these pictures.

    It is permanent if any of them is missing for good. ``seen`` is how many of the ``total`` pictures were looked at.
    """
    those = f"{total}" if seen == total else f"the first {seen}"
    text = f"{len(missing)} of {those} pictures can't be used: {_listed(missing, NAMED_IN_ERROR)}"
    lasting = any(one.outlook is Outlook.NEVER for one in missing)
    return PermanentFailure(text) if lasting else CloudKonError(text)


def _listed(missing: Sequence[MissingPicture], most: int) -> str:
    text = "; ".join(str(one) for one in missing[:most])
    return text if len(missing) <= most else f"{text}; and {len(missing) - most} more"
