"""Defines the error that a service of AWS returns."""

from typing import Any


class ApiError(Exception):
    """A service's error answer: its ``code``, a message, and the HTTP ``status``."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def to_answer(self) -> dict[str, Any]:
        """Return the error as botocore's parsers do."""
        return {"Error": {"Code": self.code, "Message": self.message, "Type": "Sender"}}


def throttled() -> ApiError:
    """Return the error of a throttled call after botocore's own retries."""
    return ApiError("ThrottlingException", "Rate exceeded")
