"""Scheduling: which tests share a fleet, so that fleets stand side by side and none is made twice; what comes first."""

import re
from typing import Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no py.typed

GROUPS: Final = {
    "composed": re.compile(r"/test_(compose|scale)\.py|::test_beside_a_compose_file"),
    "trouble": re.compile(r"/test_trouble\.py"),
    "suites": re.compile(r"::test_the_suites_pass"),
    # These two build under the same tags, one to look at what it has built.
    "docs": re.compile(r"/test_docs\.py|::test_build_makes"),
    # A process that has few tests gets a second group at once, to go on with: behind the suites, which take longest,
    # that is one that takes a second.
    "sizes": re.compile(r"::test_they_are_small"),
    "fleet": re.compile(r"/test_fleet_docker\.py"),
    "ecs": re.compile(r"/test_ecs\.py"),
}
"""Of all tests, those that one process runs, one after the other; the first that fits counts. Others stand alone.

In the order in which they are handed out: the longest first, so that none is left to run when all others have ended.
"""


def rank(nodeid: str) -> int:
    """Where a test stands in the order of groups; those that stand alone come last."""
    return next((place for place, names in enumerate(GROUPS.values()) if names.search(nodeid)), len(GROUPS))


class FleetScheduling(LoadScopeScheduling):  # type: ignore[misc]  # untyped, as above
    """Hands the tests of one fleet to one process.

    By their names and not by ``--dist loadgroup`` with its marks, which pytest-xdist 3.8 passes over in silence under
    pytest 9.2: it writes them into an attribute that items no longer have.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group, names in GROUPS.items() if names.search(nodeid)), nodeid)
