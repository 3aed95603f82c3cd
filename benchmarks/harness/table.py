"""Holds a benchmark's figures as a table, and writes it to the terminal, to JSON and to the report."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

RESULTS_DIR: Final = Path(__file__).parents[2] / "docs" / "benchmarks"
"""The folder of the JSON files from which the report and its plots are made."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A required figure and the measured one; ``least`` tells whether the requirement is a minimum or a maximum.

    ``form`` is the format of both; ``remark`` explains what limits the figure where the budget is not met.
    """

    name: str
    wanted: float
    found: float
    form: str
    least: bool = True
    remark: str = ""

    @property
    def met(self) -> bool:
        """Whether the measured figure meets the requirement."""
        return self.found >= self.wanted if self.least else self.found <= self.wanted

    def cells(self) -> tuple[str, ...]:
        """The row in the table of budgets."""
        sign = "≥" if self.least else "≤"
        verdict = "yes" if self.met else "**no**"
        return self.name, f"{sign} {self.wanted:{self.form}}", f"{self.found:{self.form}}", verdict, self.remark


@dataclass(slots=True)
class Table:
    """Rows of figures under headings; ``note`` says how they were measured, ``figures`` are the raw data."""

    title: str
    heads: tuple[str, ...]
    note: str
    rows: list[tuple[str, ...]] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def markdown(self) -> str:
        """The table as a section of the report."""
        lines = [f"## {self.title}", "", self.note, "", _row(self.heads), _row("---:" for _ in self.heads)]
        return "\n".join([*lines, *(_row(row) for row in self.rows)])

    def show(self, console: Console) -> None:
        """Print the table."""
        table = RichTable(title=self.title, title_justify="left", caption=self.note, caption_justify="left")
        for head in self.heads:
            table.add_column(head, justify="right")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def save(name: str, tables: list[Table], machine: str, **facts: object) -> Path:
    """Show a benchmark's tables, write them with ``facts`` to its JSON file, and return the file's path."""
    console = Console(highlight=False)
    for table in tables:
        table.show(console)
    RESULTS_DIR.mkdir(parents=True, exist_ok=True)
    path = RESULTS_DIR / f"{name}.json"
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
