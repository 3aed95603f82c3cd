"""Defines the error for a value that an option does not accept."""


class BadValue(ValueError):
    """An option does not accept a value. The error's text is the reason."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        """Keep the reason, and a remedy if there is a better one than the option's examples."""
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
