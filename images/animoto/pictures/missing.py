"""Missing: a picture that can't be had or used, and how a job says so."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlsplit

from cloudkon.errors import CloudKonError, PermanentFailure

_SHOWN_LINK = 120
"""Characters."""
_LONGEST_REASON = 200
"""Characters; what decoders and servers say can be much longer."""
NAMED_IN_ERROR = 20
_NAMED_IN_OUTPUT = 5
"""With links and reasons at their longest, that is below the 4 KiB of an output."""


class Outlook(Enum):
    """Whether trying again may help."""

    NEVER = "never"
    """404, no picture, a refused address: it would fail again."""
    LATER = "later"
    """A worker's next attempt at the task may do better."""
    SOON = "soon"
    """Worth another try at once, with backoff."""


class Unusable(CloudKonError):
    """A link gives no picture that can be shown."""

    def __init__(self, reason: str, outlook: Outlook = Outlook.NEVER, retry_after: float | None = None) -> None:
        """Say why; ``retry_after`` is the server's own word, in seconds."""
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
        """Name it for its user."""
        return f"picture {self.number}, {display_link(self.link)}: {self.reason}"


def display_link(link: str) -> str:
    """A link as errors and logs name it: without the query, which may hold a signature, and not too long."""
    parts = urlsplit(link)
    plain = f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")
    return plain if len(plain) <= _SHOWN_LINK else plain[: _SHOWN_LINK - 1] + "…"


def missing_note(missing: Sequence[MissingPicture], total: int) -> str:
    """What the output says behind the address: how many are missing, and the first of them."""
    return f"({len(missing)} of {total} pictures missing: {_listed(missing, _NAMED_IN_OUTPUT)})"


def missing_failure(missing: Sequence[MissingPicture], seen: int, total: int) -> CloudKonError:
    """The error for a job that can't do without these: permanent if any of them is missing for good.

    ``seen`` is how many of the ``total`` pictures were looked at.
    """
    those = f"{total}" if seen == total else f"the first {seen}"
    text = f"{len(missing)} of {those} pictures can't be used: {_listed(missing, NAMED_IN_ERROR)}"
    lasting = any(one.outlook is Outlook.NEVER for one in missing)
    return PermanentFailure(text) if lasting else CloudKonError(text)


def _listed(missing: Sequence[MissingPicture], most: int) -> str:
    text = "; ".join(str(one) for one in missing[:most])
    return text if len(missing) <= most else f"{text}; and {len(missing) - most} more"
