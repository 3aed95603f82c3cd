"""Unfit: a value that an option can't take."""


class Unfit(ValueError):
    """Its text is the reason."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        """Say why, and what to do instead, if not to write it like the option's examples."""
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
