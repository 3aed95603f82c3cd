"""Words errors with the names that the user wrote: as options on a line, or as fields in JSON."""

import json
import shlex
from dataclasses import dataclass

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.options import Option

_SHOWN = 100
"""Characters of a value that an error repeats."""


@dataclass(frozen=True, slots=True)
class ErrorWording:
    """The spelling of one of the two ways to write a job."""

    in_json: bool

    def spell(self, name: str, text: str = "") -> str:
        """Return an option as the user would write it, with a value if there is one."""
        text = text if len(text) <= _SHOWN else text[:_SHOWN]
        if not self.in_json:
            return f"--{name} {shlex.quote(text) if ' ' in text else text}".rstrip()
        number = text.replace(".", "", 1).isdecimal() and not text.startswith(".")
        return f'"{name}"' + (f": {text if number else json.dumps(text, ensure_ascii=False)}" if text else "")

    def error(self, what: str, reason: str, remedy: str, picture: int = 0) -> InvalidInstruction:
        """Return an error about the job, or about one picture; ``picture`` counts from 1, and 0 is the job itself."""
        place = f"picture {picture}, " if picture else ""
        return InvalidInstruction(f"animoto {place}{what}", reason, remedy)

    def bad_value(self, option: Option, text: str, error: BadValue, picture: int = 0) -> InvalidInstruction:
        """Return the error for a value that an option does not accept."""
        examples = ", or ".join(self.spell(option.name, example) for example in option.value.examples)
        return self.error(
            self.spell(option.name, text), error.reason, error.remedy or f"Write it as: {examples}", picture
        )
