"""``animoto [--option value …] link link …``: a slideshow video of the pictures at the links."""


def check_animoto(arguments: str) -> None:
    """Raise ``InvalidInstruction`` if these are not its arguments."""
