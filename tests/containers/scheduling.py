"""Assigns tests to processes so that tests which share a fleet run in one, and orders them, the longest first."""

import re
from typing import Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no py.typed

GROUPS: Final = {
    "composed": re.compile(r"/test_(compose|scale)\.py|::test_fleet_beside_a_compose_file"),
    "outages": re.compile(r"/test_outages\.py"),
    "suites": re.compile(r"::test_suites_pass"),
    # These two build under the same tags, and one of them inspects its build.
    "docs": re.compile(r"/test_docs\.py|::test_built_image_is_labelled"),
    # xdist gives a process with few tests a second group at once: after the suites, which take longest, that group
    # must be short.
    "sizes": re.compile(r"::test_images_are_small"),
    "fleet": re.compile(r"/test_fleet_docker\.py"),
    "ecs": re.compile(r"/test_ecs\.py"),
}
"""Groups of tests that one process runs one after the other; the first match counts. Other tests are groups of one.

They are in the order in which xdist hands them out: the longest first, so that none is left when all others have ended.
"""


def rank(nodeid: str) -> int:
    """The position of a test's group; tests without a group come last."""
    return next((place for place, names in enumerate(GROUPS.values()) if names.search(nodeid)), len(GROUPS))


class FleetScheduling(LoadScopeScheduling):  # type: ignore[misc]  # untyped, as above
    """Gives the tests of one fleet to one process.

    It uses their names, because pytest-xdist 3.8 silently ignores the marks of ``--dist loadgroup`` under pytest 9.2:
    it writes them into an attribute that items no longer have.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group, names in GROUPS.items() if names.search(nodeid)), nodeid)
