"""docs/architecture.md: its picture is there, and every file that it names exists."""

import re

import pytest

from tests.support.pages import ROOT, page, rows, section

TEXT = page("architecture.md")
QUESTIONS = rows(section(TEXT, "Where is …?"), 2)
FILES = sorted(set(re.findall(r"`([\w./-]+\.(?:py|toml|yaml))`", TEXT)))
FOLDERS = sorted(set(re.findall(r"`((?:client|cloudkon|fleet|images|tests)/[\w/]+)`", TEXT)))


def test_page_opens_with_its_picture() -> None:
    first = TEXT.split("\n\n")[1]
    assert re.fullmatch(r"!\[[^\]]+\]\(architecture\.svg\)", first)
    assert (ROOT / "docs/architecture.svg").read_text(encoding="utf-8").startswith("<svg")


def test_page_answers_the_questions_of_a_new_owner() -> None:
    assert len(QUESTIONS) >= 24
    assert len({question for question, _ in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: row[0])
def test_each_answer_is_one_or_two_files(row: list[str]) -> None:
    assert re.fullmatch(r"`[\w./-]+`(?:, `[\w./-]+`)?", row[1])


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_each_named_file_exists(name: str) -> None:
    assert (ROOT / name).exists()
