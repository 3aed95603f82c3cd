"""The compose file says what its page says of it, and gives workers and LocalStack what the target docker does."""

import re

from cloudkon.settings import PREFIX, Settings
from fleet.docker.localstack import DEFAULT_IMAGE, ENVIRONMENT
from tests.support.pages import ROOT, page

COMPOSE = (ROOT / "compose.localstack.yml").read_text()


def test_the_page_lists_the_settings_that_workers_get() -> None:
    (paragraph,) = re.findall(r"^\*\*Settings\*\*.*?^$", page("localstack.md"), re.MULTILINE | re.DOTALL)
    passed = set(re.findall(rf"^  ({PREFIX}\w+):", COMPOSE, re.MULTILINE))
    assert passed - {f"{PREFIX}TARGET"} == set(re.findall(rf"{PREFIX}\w+", paragraph))


def test_settings_that_nobody_set_are_the_workers_own() -> None:
    defaults = dict(re.findall(rf"\$\{{({PREFIX}\w+):-([^}}]*)\}}", COMPOSE))
    # Whoever stops a fleet on a machine of their own does not want to wait for a long poll.
    assert defaults.pop(f"{PREFIX}POLL_SECONDS") == "5"
    assert defaults
    assert Settings.from_environment(defaults) == Settings()


def test_localstack_is_the_same_in_the_compose_file_and_on_the_target_docker() -> None:
    given = dict(re.findall(r'^      ([A-Z_]+): "?([^"\n]+)"?$', COMPOSE, re.MULTILINE))
    assert given == ENVIRONMENT
    assert f"${{LOCALSTACK_IMAGE:-{DEFAULT_IMAGE}}}" in COMPOSE
    assert DEFAULT_IMAGE.rpartition(":")[2] in page("localstack.md")
