r"""Expands a line of a workload to many instructions.

``{1..100}`` and ``{000..090..10}`` are replaced by each number from the first to the last, in steps of one or of the
third number; leading zeros keep the width. ``{jobs.size}``, with ``--set jobs=jobs.csv``, is replaced by the column
``size`` of each row of the file. Several ranges and files in a line are combined, files changing fastest; a row's
columns stay together. ``\{1..100}`` is not expanded, and loses the backslash.
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
"""The most instructions that the ranges of one line may make: more are probably a typing error."""
MOST_CHARACTERS = 4 * 1024**3
"""The most characters of these instructions together: they are kept on the disk until they are pushed."""
_MOST_DIGITS = 100
"""The most digits of a range's numbers. Python refuses to read numbers of some thousand digits."""
_RANGE = re.compile(r"(?<!\\)\{(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?\}")
_TOKEN = re.compile(r"(\\?)(\{(?:-?\d+\.\.-?\d+(?:\.\.\d+)?|([A-Za-z_]\w*)\.([^{}.]+))\})")
"""A range or a column, perhaps escaped; the last two groups are a column's file name and column name."""
_NAME = re.compile(r"[A-Za-z_]\w*")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """Expands lines with ``files``, the files of ``--set`` by name."""

    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, sets: Sequence[str]) -> "Template":
        """Parse ``NAME=FILE`` words, or raise ``InvalidInput``."""
        files: dict[str, Path] = {}
        for word in sets:
            name, equals, path = word.partition("=")
            if not (equals and _NAME.fullmatch(name)):
                raise InvalidInput(f"--set {word!r:.60}", "it is not NAME=FILE", "Write it as: --set jobs=jobs.csv")
            if name in files:
                raise InvalidInput(f"--set {name}", "the name is given twice")
            if not Path(path).is_file():
                raise InvalidInput(f"--set {word:.60}", "no such file")
            files[name] = Path(path)
        return cls(files)

    def expand(self, line: Line) -> Iterator[Line]:
        """Yield the instructions of a line, all with its line number. Raises ``InvalidInstruction``."""
        if b"{" not in line.data:
            yield line
            return
        text = line.instruction()
        tokens = _TOKEN.finditer(text) if self.files else []
        names = list(dict.fromkeys(token[3] for token in tokens if token[3] and not token[1]))
        for numbered in _with_numbers(text):
            # Rows last: values from a file are not expanded.
            for rows in self._combine(names):
                yield Line(line.number, _TOKEN.sub(partial(self._value, rows), numbered).encode())

    def _combine(self, names: Sequence[str]) -> Iterator[dict[str, Row]]:
        """Yield each combination of the named files' rows, by name."""
        if not names:
            yield {}
            return
        first, *others = names
        if first not in self.files:
            raise InvalidInstruction(
                f"{{{first}.…}}", "no --set defines this name", rf"Write \{{ for a brace: \{{{first}.…}}"
            )
        for row in _rows(self.files[first]):
            for rows in self._combine(others):
                yield {first: row, **rows}

    def _value(self, rows: Mapping[str, Row], match: re.Match[str]) -> str:
        escaped, token, name, column = match.groups()
        if escaped or name not in rows:
            return token
        path, row = self.files[name], rows[name]
        value = row.get(column)
        if value is None:
            raise InvalidInstruction(
                f"column {column!r:.40}", f"{path} has no such column", f"Columns: {', '.join(row)}"
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
                    raise InvalidInstruction(f"{path}, line {reader.line_num}", "the number of values is wrong")
                yield row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidInstruction(f"{path}, line {reader.line_num}", f"can't read it: {error}") from None


def _with_numbers(text: str) -> Iterator[str]:
    """Yield the text for each combination of its ranges' numbers."""
    count = 1
    parts: list[str] = []
    ranges: list[tuple[range, int]] = []
    at = 0
    for match in _RANGE.finditer(text):
        numbers = _numbers(match)
        count *= _length(numbers)
        if count > MOST_INSTRUCTIONS:
            raise InvalidInstruction(
                "ranges",
                f"they make {count:,} instructions from one line, or more; the most is {MOST_INSTRUCTIONS:,}",
            )
        parts += text[at : match.start()], ""
        ranges.append((numbers, _width(match)))
        at = match.end()
    parts.append(text[at:])
    if count * len(text) > MOST_CHARACTERS:
        raise InvalidInstruction(
            "ranges",
            f"they make {count:,} instructions of {len(text):,} characters from one line; "
            f"together the most is {MOST_CHARACTERS:,} characters",
        )
    return _combine(parts, ranges)


def _combine(parts: list[str], ranges: Sequence[tuple[range, int]]) -> Iterator[str]:
    """Put each combination of numbers between the parts, which have an empty one for each range; the last range first.

    ``itertools.product`` would hold every number of every range in memory.
    """
    at = [0] * len(ranges)
    for place, (numbers, width) in enumerate(ranges):
        parts[2 * place + 1] = f"{numbers[0]:0{width}}"
    turning = [place for place, (numbers, _width) in enumerate(ranges) if len(numbers) > 1]
    while True:
        yield "".join(parts)
        for place in reversed(turning):
            numbers, width = ranges[place]
            at[place] = (at[place] + 1) % len(numbers)
            parts[2 * place + 1] = f"{numbers[at[place]]:0{width}}"
            if at[place]:
                break
        else:
            return


def _width(match: re.Match[str]) -> int:
    """Return the digits that leading zeros ask for."""
    return max(len(one) if one.lstrip("-").startswith("0") else 0 for one in (match[1], match[2]))


def _length(numbers: range) -> int:
    # len() raises OverflowError above 63 bits.
    return (numbers[-1] - numbers[0]) // numbers.step + 1


def _numbers(match: re.Match[str]) -> range:
    if max(map(len, filter(None, match.groups()))) > _MOST_DIGITS:
        raise InvalidInstruction(f"range {match[0]:.40}…", f"its numbers have more than {_MOST_DIGITS} digits")
    begin, end, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if not step:
        raise InvalidInstruction(match[0], "the step must not be 0")
    return range(begin, end + 1, step) if begin <= end else range(begin, end - 1, -step)
