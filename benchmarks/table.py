"""Table: what a benchmark found, for the terminal, as JSON, and for the report."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable

FOUND: Final = Path(".cloudkon/benchmarks")
"""Where the JSON files go; what is worth keeping stands in docs/benchmarks.md."""


@dataclass(slots=True)
class Table:
    """Rows of figures under heads; ``note`` says how they were measured."""

    title: str
    heads: tuple[str, ...]
    note: str
    rows: list[tuple[str, ...]] = field(default_factory=list)

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


def keep(name: str, tables: list[Table], machine: str) -> Path:
    """Show a benchmark's tables, and write them to its JSON file, whose path is given."""
    console = Console(highlight=False)
    for table in tables:
        table.show(console)
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{name}.json"
    facts = {"benchmark": name, "machine": machine, "tables": [asdict(table) for table in tables]}
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    console.print(f"written to {path}")
    return path


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
