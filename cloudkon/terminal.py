"""Prints everything that the programs write to standard output and standard error; no other module writes there.

Foreign text becomes printable on this way (``cloudkon.printable``). ``prepare_streams`` puts a net under it, which also
holds what libraries print: help, usage errors, tracebacks.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from cloudkon.printable import json_text, printable

if TYPE_CHECKING:
    from rich.console import Console


class PrintableStream:
    """A text stream that makes printable what is written to it. ``raw`` is the stream below."""

    def __init__(self, raw: TextIO, *, by_line: bool = False) -> None:
        """Write to ``raw``; with ``by_line``, each text that is written is one line."""
        self.raw = raw
        self._by_line = by_line

    def write(self, text: str | bytes) -> int:
        """Write the text with escapes; return its length. Click writes what shells complete as bytes."""
        decoded = text.decode(errors="backslashreplace") if isinstance(text, bytes) else text
        if self._by_line:
            self.raw.write(printable(decoded.removesuffix("\n")) + "\n")
        else:
            self.raw.write(printable(decoded, lines=True))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream below."""
        self.raw.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.raw.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self.raw.fileno()

    @property
    def encoding(self) -> str:
        """The encoding of the stream below."""
        return self.raw.encoding

    @property
    def errors(self) -> str | None:
        """How the stream below writes what its encoding doesn't have."""
        return self.raw.errors

    @property
    def closed(self) -> bool:
        """Whether the stream below is closed."""
        return self.raw.closed


def prepare_streams() -> None:
    """Make the standard streams accept all text, and print it harmlessly. Each program calls this first.

    A program started without them (``>&-``) gets streams to and from the null device, because Python sets ``None``.
    Characters that a stream's encoding does not have are written as escapes.
    """
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115  (open until the program ends)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, PrintableStream):
            continue
        if stream is None:
            stream = Path(os.devnull).open("w")  # noqa: SIM115  (as above)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, PrintableStream(stream))


def print_line(text: object, *, flush: bool = True) -> None:
    """Print a result of one line to standard output. A line break in it is escaped, so that it forges no line."""
    _write(sys.stdout, printable(str(text)) + "\n", flush=flush)


def print_lines(text: str) -> None:
    """Print a result of several lines to standard output; foreign text in it has been made printable before."""
    _write(sys.stdout, printable(text, lines=True) + "\n")


def print_json(value: object, *, indent: int | None = None, ascii_only: bool = True, flush: bool = True) -> None:
    """Print a result as JSON to standard output."""
    _write(sys.stdout, json_text(value, ascii_only=ascii_only, indent=indent) + "\n", flush=flush)


def say(text: str) -> None:
    """Print a message for the user, which is not a result, as one line to standard error."""
    _write(sys.stderr, printable(text) + "\n")


def say_error(text: str) -> None:
    """Print what ended the program to standard error. Its further lines are indented, so that they forge no line."""
    first, *rest = printable(text, lines=True).split("\n")
    indented = [f"  {line.removeprefix('  ')}" for line in rest]
    _write(sys.stderr, "\n".join([f"error: {first}", *indented]) + "\n")


def data_output(encoding: str = "") -> TextIO:
    """Return standard output for data that programs read, a record a write.

    Into a file or a pipe it goes unchanged; on a terminal it is printable, each record as one line.
    """
    raw = _raw(sys.stdout)
    if encoding and hasattr(raw, "reconfigure"):
        raw.reconfigure(encoding=encoding)
    return cast("TextIO", PrintableStream(raw, by_line=True)) if raw.isatty() else raw


def console(*, stderr: bool = False) -> "Console":
    """Return a console for tables and progress bars on standard output or standard error.

    Its own colours and cursor movements pass. Text is printed as it is, without rich's markup.
    """
    from cloudkon.console import PrintableConsole  # noqa: PLC0415  (rich takes longer to load than --help)

    stream = _raw(sys.stderr if stderr else sys.stdout)
    return PrintableConsole(file=stream, stderr=stderr, markup=False, emoji=False, highlight=False)


def confirm(question: str, **options: Any) -> bool:  # noqa: ANN401  (options of ``click.confirm``)
    """Ask a yes-or-no question on standard error."""
    import click  # noqa: PLC0415  (the health check prints a line, and needs no click)

    return click.confirm(printable(question), err=True, **options)


def wait_for_enter(text: str) -> None:
    """Print a request on standard error, and wait until the user has pressed Enter."""
    import click  # noqa: PLC0415  (as above)

    click.prompt(printable(text), default="", show_default=False, err=True)


def _raw(stream: TextIO) -> TextIO:
    return stream.raw if isinstance(stream, PrintableStream) else stream


def _write(stream: TextIO, text: str, *, flush: bool = True) -> None:
    stream.write(text)
    if flush:
        stream.flush()
