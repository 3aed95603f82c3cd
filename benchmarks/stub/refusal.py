"""Refusal: an error that a service answers with."""


class Refusal(Exception):
    """``code`` is the name in the answer's ``__type``, ``legacy`` the one that SQS's older protocol had for it."""

    def __init__(self, code: str, message: str, legacy: str = "") -> None:
        """What boto3 makes a ``ClientError`` of."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.legacy = legacy
