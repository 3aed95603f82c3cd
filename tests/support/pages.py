"""Reads pages of the documentation: their sections, tables and fenced blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    """The text of ``docs/NAME``."""
    return (ROOT / "docs" / name).read_text()


def section(text: str, head: str) -> str:
    """The text below a second-level heading."""
    found = re.search(rf"^## {re.escape(head)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"the page has no section {head!r}"
    return found[1]


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of all tables with this number of columns, without the headings; cells are stripped."""
    found = []
    for table in re.findall(r"^\|.*\n\|[ :|-]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in table.splitlines():
            # A bar within a cell is written as \|.
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            if len(cells) == columns:
                found.append(cells)
    return found


def blocks(text: str, language: str) -> list[str]:
    """The contents of all fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
