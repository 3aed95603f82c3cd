"""The compose file matches its page, and configures workers and LocalStack like the target docker."""

import re

from cloudkon.settings import PREFIX, Settings
from fleet.docker.localstack import DEFAULT_IMAGE, ENVIRONMENT
from tests.support.pages import ROOT, page

COMPOSE = (ROOT / "compose.localstack.yml").read_text()


def test_page_lists_the_settings_that_workers_get() -> None:
    (paragraph,) = re.findall(r"^\*\*Settings\*\*.*?^$", page("localstack.md"), re.MULTILINE | re.DOTALL)
    passed = set(re.findall(rf"^  ({PREFIX}\w+):", COMPOSE, re.MULTILINE))
    assert passed - {f"{PREFIX}TARGET"} == set(re.findall(rf"{PREFIX}\w+", paragraph))


def test_compose_defaults_are_the_workers_defaults() -> None:
    defaults = dict(re.findall(rf"\$\{{({PREFIX}\w+):-([^}}]*)\}}", COMPOSE))
    # Shorter than the default, so that stopping a fleet on one machine does not wait for a long poll.
    assert defaults.pop(f"{PREFIX}POLL_SECONDS") == "5"
    assert defaults
    assert Settings.from_environment(defaults) == Settings()


def test_compose_and_docker_target_configure_localstack_alike() -> None:
    given = dict(re.findall(r'^      ([A-Z_]+): "?([^"\n]+)"?$', COMPOSE, re.MULTILINE))
    assert given == ENVIRONMENT
    assert f"${{LOCALSTACK_IMAGE:-{DEFAULT_IMAGE}}}" in COMPOSE
    assert DEFAULT_IMAGE.rpartition(":")[2] in page("localstack.md")
