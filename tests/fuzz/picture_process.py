"""Decodes the pictures that arrive on standard input, one after the other, in a process of limited address space.

A damaged picture may crash a decoder: then only this process ends, and the test names the picture.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Self

from cloudkon.instructions.animoto import Fit
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import normalise
from images.animoto.timeline.film import Film

ADDRESS_SPACE: Final = 8 * 2**30
"""Bytes; what a decoder asks for beyond fails, instead of taking this machine's memory."""
FILM: Final = Film(64, 48, 30)
_LENGTH_BYTES: Final = 8


class PictureProcess:
    """The process, as the test sees it."""

    def __init__(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "tests.fuzz.picture_process"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def decode(self, data: bytes) -> tuple[str, int]:
        """Return what became of a picture, and the most memory that the process has had, in bytes."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            return f"the process ended with {self._process.wait()}", 0
        outcome, memory = json.loads(answer)
        return outcome, memory

    def __enter__(self) -> Self:
        """Return the process."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _decode(path: Path) -> str:
    try:
        pixels = normalise(path, FILM, Fit.CONTAIN)
    except Unusable:
        return "unusable"
    except MemoryError:
        return "it takes more memory than there is"
    except Exception as error:  # noqa: BLE001  (the test names it)
        return f"{type(error).__name__}: {error}"
    return "decoded" if len(pixels) == FILM.picture_bytes else f"{len(pixels)} bytes"


def main() -> None:
    """Decode until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        while length := sys.stdin.buffer.read(_LENGTH_BYTES):
            path.write_bytes(sys.stdin.buffer.read(int.from_bytes(length, "big")))
            outcome = _decode(path)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            sys.stdout.write(json.dumps([outcome, memory]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
