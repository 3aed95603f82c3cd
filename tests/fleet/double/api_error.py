"""Refusal: an error as a service of AWS gives it."""

from typing import Any


class ApiError(Exception):
    """What a service answers instead of a result: its ``code``, a message, and the HTTP ``status``."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def to_answer(self) -> dict[str, Any]:
        """As botocore's parsers give it."""
        return {"Error": {"Code": self.code, "Message": self.message, "Type": "Sender"}}


def throttled() -> ApiError:
    """What remains of a throttled call after botocore's own retries."""
    return ApiError("ThrottlingException", "Rate exceeded")
