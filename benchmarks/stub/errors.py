"""Defines the error that an operation raises for the service to return."""


class ServiceError(Exception):
    """``code`` is the name in the response's ``__type``, ``legacy`` the name in SQS's older protocol."""

    def __init__(self, code: str, message: str, legacy: str = "") -> None:
        """Keep what boto3 makes a ``ClientError`` of."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.legacy = legacy
