"""Turns what a handler returned or raised into a value that can leave a slot process."""

from typing import NamedTuple, Self

from cloudkon.errors import CloudKonError, InvalidInput, PermanentFailure


class HandlerOutcome(NamedTuple):
    """The output, or the error and whether it is permanent; ``error`` is empty on success."""

    output: str
    error: str = ""
    permanent: bool = False

    @classmethod
    def with_answer(cls, answer: object) -> Self:
        """Return the outcome of a handler that returned ``answer``."""
        if answer is None:
            return cls("")  # most handlers, and it needs no check
        if isinstance(answer, str):
            return cls(_encodable(answer))
        return cls("", f"the handler gave {type(answer).__name__}, not a string", permanent=True)

    @classmethod
    def with_failure(cls, failure: BaseException) -> Self:
        """Return the outcome of a handler that raised ``failure``."""
        while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
            # A handler's nursery wraps the error of its only child.
            failure = failure.exceptions[0]
        try:
            text = str(failure) if isinstance(failure, CloudKonError) else f"{type(failure).__name__}: {failure}"
        except Exception:  # noqa: BLE001  (an exception's own text may fail too)
            text = ""
        # An empty error would be a success.
        error = _encodable(text) or type(failure).__name__
        return cls("", error, permanent=isinstance(failure, (InvalidInput, PermanentFailure)))


def _encodable(text: str) -> str:
    """Return the text without lone surrogates, which undecodable file names have and no queue or ledger accepts."""
    return text.encode(errors="replace").decode()
