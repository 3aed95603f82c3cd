r"""Template: one line of a workload that stands for many instructions.

``{1..100}`` and ``{000..090..10}`` stand for each number from the first to the last, by steps of one or of the third;
leading zeros keep their width. ``{jobs.size}``, with ``--set jobs=jobs.csv``, stands for the column ``size`` of each
row of the file. Several ranges and files in a line are combined, files changing fastest; a row's columns stay
together. ``\{1..100}`` is left alone, without the backslash.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.instructions.workload_lines import Line

MOST_INSTRUCTIONS = 10_000_000
"""Instructions that the ranges of one line may make: more are taken for a slip of the keyboard."""
_LONGEST_NUMBER = 100
"""Digits of a range's numbers: Python refuses to read some thousands, and nobody counts in them."""
_RANGE = re.compile(r"(?<!\\)\{(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?\}")
_TOKEN = re.compile(r"(\\?)(\{(?:-?\d+\.\.-?\d+(?:\.\.\d+)?|([A-Za-z_]\w*)\.([^{}.]+))\})")
"""An escaped range, or a column: its name and its file's name are the last two groups."""
_NAME = re.compile(r"[A-Za-z_]\w*")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """What lines are expanded with: the files of ``--set`` by name."""

    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Sequence[str]) -> "Template":
        """Read ``NAME=FILE`` words, or raise ``InvalidInput``."""
        files: dict[str, Path] = {}
        for word in given:
            name, equals, path = word.partition("=")
            if not (equals and _NAME.fullmatch(name)):
                raise InvalidInput(f"--set {word!r:.60}", "it is not NAME=FILE", "Write it as: --set jobs=jobs.csv")
            if name in files:
                raise InvalidInput(f"--set {name}", "it is given twice")
            if not Path(path).is_file():
                raise InvalidInput(f"--set {word:.60}", "there is no such file")
            files[name] = Path(path)
        return cls(files)

    def expand(self, line: Line) -> Iterator[Line]:
        """The instructions that a line stands for, all under its number. Raises ``InvalidInstruction``."""
        if b"{" not in line.data:
            yield line
            return
        text = line.instruction()
        tokens = _TOKEN.finditer(text) if self.files else []
        names = list(dict.fromkeys(found[3] for found in tokens if found[3] and not found[1]))
        for numbered in _with_numbers(text):
            # Rows last: what a file says is taken as it is.
            for rows in self._combine(names):
                yield Line(line.number, _TOKEN.sub(partial(self._value, rows), numbered).encode())

    def _combine(self, names: Sequence[str]) -> Iterator[dict[str, Row]]:
        """Each combination of the named files' rows, by name."""
        if not names:
            yield {}
            return
        first, *others = names
        if first not in self.files:
            raise InvalidInstruction(
                f"{{{first}.…}}", "no --set has that name", rf"Write \{{ for a brace: \{{{first}.…}}"
            )
        for row in _rows(self.files[first]):
            for rows in self._combine(others):
                yield {first: row, **rows}

    def _value(self, rows: Mapping[str, Row], found: re.Match[str]) -> str:
        escaped, token, name, column = found.groups()
        if escaped or name not in rows:
            return token
        path, row = self.files[name], rows[name]
        value = row.get(column)
        if value is None:
            raise InvalidInstruction(
                f"column {column!r:.40}", f"{path} has none of that name", f"Columns: {', '.join(row)}"
            )
        if "\n" in value or "\r" in value:
            raise InvalidInstruction(f"column {column!r:.40}", f"a value in {path} has a line break")
        return value


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise InvalidInstruction(f"{path}, line {reader.line_num}", "it has not as many values as columns")
                yield row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidInstruction(f"{path}, line {reader.line_num}", f"it can't be read: {error}") from None


def _with_numbers(text: str) -> Iterator[str]:
    """The text for each combination of its ranges' numbers."""
    found = list(_RANGE.finditer(text))
    if not found:
        yield text
        return
    count = 1
    for one in found:
        count *= _length(one)
    if count > MOST_INSTRUCTIONS:
        raise InvalidInstruction(
            "ranges", f"they make {count:,} instructions of one line; {MOST_INSTRUCTIONS:,} are allowed"
        )
    yield from _combine(text, found)


def _combine(text: str, ranges: Sequence[re.Match[str]]) -> Iterator[str]:
    """Not by ``itertools.product``, which would hold every number of every range in memory."""
    first, *others = ranges
    width = max(len(one) if one.lstrip("-").startswith("0") else 0 for one in (first[1], first[2]))
    before = text[: first.start()]
    for number in _numbers(first):
        head = f"{before}{number:0{width}}" if width > 1 else f"{before}{number}"
        if not others:
            yield head + text[first.end() :]
            continue
        for tail in _combine(text, others):
            yield head + tail[first.end() :]


def _length(found: re.Match[str]) -> int:
    if max(map(len, filter(None, found.groups()))) > _LONGEST_NUMBER:
        raise InvalidInstruction(f"range {found[0]:.40}…", f"its numbers have more than {_LONGEST_NUMBER} digits")
    numbers = _numbers(found)
    # Not by len(), which can't say more than 63 bits hold.
    return (numbers[-1] - numbers[0]) // numbers.step + 1


def _numbers(found: re.Match[str]) -> range:
    begin, end, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if not step:
        raise InvalidInstruction(found[0], "a step of 0 never arrives")
    return range(begin, end + 1, step) if begin <= end else range(begin, end - 1, -step)
