"""Speech: how an error names what was written, as it was written: on a line, or in JSON."""

import json
import shlex
from dataclasses import dataclass

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto.bad_value import Unfit
from cloudkon.instructions.animoto.options import Option

_SHOWN = 100
"""Characters of a value that an error repeats."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One of the two ways to write a job."""

    in_json: bool

    def spelled(self, name: str, text: str = "") -> str:
        """An option, with a value if there is one."""
        text = text if len(text) <= _SHOWN else text[:_SHOWN]
        if not self.in_json:
            return f"--{name} {shlex.quote(text) if ' ' in text else text}".rstrip()
        number = text.replace(".", "", 1).isdecimal() and not text.startswith(".")
        return f'"{name}"' + (f": {text if number else json.dumps(text, ensure_ascii=False)}" if text else "")

    def refusal(self, what: str, reason: str, remedy: str, picture: int = 0) -> InvalidInstruction:
        """The error; ``picture`` counts from 1, and 0 is the job itself."""
        place = f"picture {picture}, " if picture else ""
        return InvalidInstruction(f"animoto {place}{what}", reason, remedy)

    def unfit(self, option: Option, text: str, error: Unfit, picture: int = 0) -> InvalidInstruction:
        """The error for a value that an option does not take."""
        examples = ", or ".join(self.spelled(option.name, example) for example in option.value.examples)
        return self.refusal(
            self.spelled(option.name, text), error.reason, error.remedy or f"Write it as: {examples}", picture
        )
