"""The links, settings and commands in the pages exist."""

import re
from dataclasses import fields

import pytest

from client.cli.main import COMMANDS
from cloudkon.model import POOLS
from cloudkon.settings import PREFIX, Settings
from fleet.cli.commands import fleet
from fleet.docker.worker_container import image_variable
from fleet.local.emulator_installation import EXECUTABLE
from tests.aws.limits import DOLLARS, HOURS
from tests.aws.trial import FLAG
from tests.support.pages import ROOT, page

PAGES = ("../README.md", "../SECURITY.md", *sorted(path.name for path in (ROOT / "docs").glob("*.md")))
SETTINGS = {PREFIX + one.name.upper() for one in fields(Settings)}
OTHERS = {EXECUTABLE, FLAG, DOLLARS, HOURS, *map(image_variable, POOLS)}
"""Variables that only targets read, and those of the trial on a real account."""


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", PAGES)
def test_links_have_a_target(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        here = ROOT / "docs" / name
        found = (here.parent / path if path else here).resolve()
        assert found.exists(), f"docs/{name} links to {path}"
        if anchor:
            assert anchor in anchors(found.read_text()), f"docs/{name} links to {target}"


@pytest.mark.parametrize("name", PAGES)
def test_named_settings_exist(name: str) -> None:
    assert set(re.findall(r"\bCLOUDKON_[A-Z_]+[A-Z]\b", page(name))) <= SETTINGS | OTHERS


@pytest.mark.parametrize("name", PAGES)
def test_named_commands_exist(name: str) -> None:
    text = page(name)
    assert set(re.findall(r"(?:python -m |`)client ([a-z]+)", text)) <= set(COMMANDS)
    assert set(re.findall(r"(?:python -m |`)fleet ([a-z]+)", text)) <= set(fleet.commands)
