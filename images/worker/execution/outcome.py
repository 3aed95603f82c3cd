"""Ending: how an attempt ended, as a value that can leave a slot process whatever the handler raised."""

from typing import NamedTuple, Self

from cloudkon.errors import CloudKonError, InvalidInput, PermanentFailure


class HandlerOutcome(NamedTuple):
    """The output, or the error and whether another attempt would be no use; ``error`` is empty on success."""

    output: str
    error: str = ""
    permanent: bool = False

    @classmethod
    def with_answer(cls, answer: object) -> Self:
        """The handler returned this."""
        if answer is None:
            return cls("")  # most handlers, and nothing of it to be looked at
        if isinstance(answer, str):
            return cls(_encodable(answer))
        return cls("", f"the handler gave {type(answer).__name__}, not a string", permanent=True)

    @classmethod
    def with_failure(cls, failure: BaseException) -> Self:
        """The handler raised this."""
        while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
            # A handler's nursery wraps what its only child raised.
            failure = failure.exceptions[0]
        try:
            text = str(failure) if isinstance(failure, CloudKonError) else f"{type(failure).__name__}: {failure}"
        except Exception:  # noqa: BLE001  (an exception's own text may fail too)
            text = ""
        # An empty error would be a success.
        error = _encodable(text) or type(failure).__name__
        return cls("", error, permanent=isinstance(failure, (InvalidInput, PermanentFailure)))


def _encodable(text: str) -> str:
    """The text without half characters (undecodable file names have them), which no queue and no ledger takes."""
    return text.encode(errors="replace").decode()
