"""Table: what a benchmark found, for the terminal, as JSON, and for the report."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

FOUND: Final = Path(__file__).parents[2] / "docs" / "benchmarks"
"""Where the JSON files go, that the report and its plots are made of."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure must be, and what it is; ``least`` tells whether it must be at least or at most that.

    ``form`` is how both are written, as for ``format``; ``remark`` says what the limit is where it isn't met.
    """

    name: str
    wanted: float
    found: float
    form: str
    least: bool = True
    remark: str = ""

    @property
    def met(self) -> bool:
        """Whether it is as wanted."""
        return self.found >= self.wanted if self.least else self.found <= self.wanted

    def cells(self) -> tuple[str, ...]:
        """A row of the table of budgets."""
        sign = "≥" if self.least else "≤"
        verdict = "yes" if self.met else "**no**"
        return self.name, f"{sign} {self.wanted:{self.form}}", f"{self.found:{self.form}}", verdict, self.remark


@dataclass(slots=True)
class Table:
    """Rows of figures under heads; ``note`` says how they were measured, ``figures`` are what they were made of."""

    title: str
    heads: tuple[str, ...]
    note: str
    rows: list[tuple[str, ...]] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def markdown(self) -> str:
        """A section of the report."""
        lines = [f"## {self.title}", "", self.note, "", _row(self.heads), _row("---:" for _ in self.heads)]
        return "\n".join([*lines, *(_row(row) for row in self.rows)])

    def show(self, console: Console) -> None:
        """Print it."""
        table = RichTable(title=self.title, title_justify="left", caption=self.note, caption_justify="left")
        for head in self.heads:
            table.add_column(head, justify="right")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def keep(name: str, tables: list[Table], machine: str, **facts: object) -> Path:
    """Show a benchmark's tables, and write them to its JSON file, whose path is given; ``facts`` go along."""
    console = Console(highlight=False)
    for table in tables:
        table.show(console)
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{name}.json"
    found = {"benchmark": name, "machine": machine, **facts, "tables": [asdict(table) for table in tables]}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"written to {path}")
    return path


def read_tables(found: dict[str, Any]) -> list[Table]:
    """The tables of a JSON file."""
    return [_read_table(table) for table in found["tables"]]


def _read_table(fields: dict[str, Any]) -> Table:
    budgets = [Budget(**budget) for budget in fields["budgets"]]
    rows = [tuple(row) for row in fields["rows"]]
    return Table(
        fields["title"], tuple(fields["heads"]), fields["note"], rows, budgets=budgets, figures=fields["figures"]
    )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
