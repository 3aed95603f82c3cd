"""A terminal in memory: programs write to it as to a user's, and a test reads which bytes it got."""

import os
import pty
import re
import subprocess
import threading
import tty
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

import pytest

MARK = "FOREIGN"
HOSTILE = (
    f"{MARK} \x1b]0;title\x07\x1b[35;45m\x1b[2J\x9b1A\x90q\x1b[8mhidden\x7f\x08\u202eright\u2066\u200b\u2028\ufeff"
    f"\U000e0041\udcff\rstart\nerror: {MARK} line"
)
"""Every kind of character that controls a terminal or hides text, and a line of its own."""
HOSTILE_LINE = HOSTILE.replace("\n", " ").replace("\r", " ").replace("\u2028", " ")
HOSTILE_NAME = re.sub(r"[\ud800-\udfff]", "", HOSTILE)
"""The same for what must be UTF-8, such as a file of instructions."""
_OUR_OWN = re.compile(r"\x1b\[(?:(?!35;45m|8m)[0-9;]*m|\?25[lh]|(?!2J|1A\x90)[0-9]*[AK])|\r(?!start)")
"""What rich writes to draw in colour and in place. None of it is part of ``HOSTILE``."""


class PseudoTerminal:
    """The two ends of a terminal. What is written to it is collected by a thread, as a terminal emulator does."""

    def __init__(self) -> None:
        """Open it without any conversion of line ends."""
        self._reader, self.descriptor = pty.openpty()
        tty.setraw(self.descriptor)
        self._shown = bytearray()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def type(self, text: str) -> None:
        """Type at the keyboard."""
        os.write(self._reader, text.encode())

    def close(self) -> str:
        """Close the program's end; return all that was shown."""
        os.close(self.descriptor)
        self._thread.join()
        os.close(self._reader)
        return self._shown.decode(errors="surrogateescape")

    def _collect(self) -> None:
        # When the last program's end is closed, a read fails.
        try:
            while data := os.read(self._reader, 65536):
                self._shown += data
        except OSError:
            return


class Shown:
    """What a program showed on a terminal."""

    def __init__(self, text: str) -> None:
        """Keep the text as it came."""
        self.text = text

    @property
    def harmful(self) -> list[str]:
        """The characters that are neither text nor our own control sequences, and forged lines."""
        rest = _OUR_OWN.sub("", self.text)
        hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        found = [f"U+{ord(char):04X}" for char in set(rest) - {"\n"} if unicodedata.category(char) in hidden]
        return [*found, *(line for line in rest.split("\n") if line.startswith(f"error: {MARK} line"))]

    def assert_harmless(self) -> Self:
        """Fail unless the foreign text was shown, and none of it controls the terminal."""
        assert MARK in self.text, f"the foreign text was not shown, so this proves nothing: {self.text!r}"
        assert not self.harmful, f"{self.harmful} in {self.text!r}"
        return self


@contextmanager
def on_terminal(monkeypatch: pytest.MonkeyPatch, keys: str = "") -> Iterator[list[Shown]]:
    """Make a terminal this process's standard streams; what was shown is in the list when the context ends."""
    terminal, shown = PseudoTerminal(), list[Shown]()
    if keys:
        terminal.type(keys)
    with monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        with (
            os.fdopen(os.dup(terminal.descriptor), encoding="utf-8") as stdin,
            os.fdopen(os.dup(terminal.descriptor), "w", encoding="utf-8") as stdout,
            os.fdopen(os.dup(terminal.descriptor), "w", encoding="utf-8") as stderr,
        ):
            assert stdout.isatty()
            for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
                patch.setattr(f"sys.{name}", stream)
            try:
                yield shown
            finally:
                stdout.flush()
                stderr.flush()
    shown.append(Shown(terminal.close()))


def run_on_terminal(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, Shown]:
    """Run a program on a terminal; return its exit code and what it showed."""
    terminal = PseudoTerminal()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=terminal.descriptor, stderr=terminal.descriptor
    ) as process:
        code = process.wait()
    return code, Shown(terminal.close())
