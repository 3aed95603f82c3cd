"""Every promise holds in every reachable state, and every rule is needed: without it, a promise breaks."""

from dataclasses import replace

import pytest

from tests.unit.protocol.model import Model
from tests.unit.protocol.search import search

CRASHES = frozenset({"death", "lost answer", "throttle"})
STOPS = frozenset({"stop", "late", "slow", "early"})
SLOW = frozenset({"slow", "pause"})
LATE = frozenset({"late"})
GIVE_UPS = frozenset({"give up", "late", "death"})

SOUND = {
    "two copies of a message": (Model(copies=(2,), ticks=2, faults=1, kinds=CRASHES), None),
    "two faults": (Model(copies=(1,), ticks=2, faults=2), None),
    "long enough to steal and to finish": (Model(copies=(1,), ticks=6, faults=1), 1),
    "clocks that differ by the margin": (Model(copies=(1,), lease=2, margin=1, skew=(0, 1), ticks=5, faults=1), None),
    "clocks that differ the other way": (Model(copies=(1,), lease=2, margin=1, skew=(1, 0), ticks=5, faults=1), None),
    "slow calls and paused workers": (Model(copies=(1,), lease=2, ticks=3, faults=2, kinds=SLOW), None),
    "two chunks": (Model(copies=(1, 1), ticks=1, faults=1, kinds=CRASHES), None),
    "three workers": (Model(workers=3, copies=(1,), ticks=3, faults=1), None),
    "claims that are given up": (Model(copies=(1,), ticks=2, faults=1, kinds=GIVE_UPS), None),
    "a cancelled run": (Model(copies=(1,), ticks=3, faults=1, cancels=True), None),
}

# Each has the smallest search that shows why its rules are needed. Some rules replace each other, and a promise breaks
# only without both: when claiming and when renewing, the lease end and the pair of owner and attempt do.
NEEDED = {
    ("claiming: state",): (Model(copies=(2,), ticks=3, faults=1, kinds=SLOW), "promise 2"),
    ("claiming: lease end",): (Model(copies=(1,), lease=3, ticks=5, faults=2, kinds=SLOW), "promise 3"),
    ("claiming: lease end", "claiming: owner and attempt"): (
        Model(workers=3, copies=(1,), ticks=3, faults=1, kinds=CRASHES),
        "promise 3",
    ),
    ("completing: owner and attempt",): (Model(copies=(1,), ticks=4, faults=1), "promise 3"),
    ("releasing: state",): (Model(copies=(1,), ticks=2, faults=2, kinds=STOPS), "promise"),
    ("releasing: owner and attempt",): (Model(copies=(1,), ticks=4, faults=2, kinds=STOPS), "promise 3"),
    ("renewing: state",): (Model(copies=(1,), ticks=3, faults=1, kinds=SLOW), "promise 2"),
    ("renewing: later lease only",): (Model(copies=(1,), lease=4, ticks=6, faults=1, kinds=LATE), "promise 3"),
    ("renewing: later lease only", "renewing: owner and attempt"): (Model(copies=(1,), ticks=4, faults=1), "promise 3"),
    ("own clock",): (Model(copies=(1,), ticks=4, faults=1), "promise 3"),
    ("carry on under the lease",): (Model(copies=(1,), ticks=2, faults=1), "promise 5"),
    ("cancelled is a result",): (Model(copies=(1,), ticks=1, faults=0, cancels=True), "promise 1"),
    ("delete after complete",): (Model(copies=(1,), ticks=1, faults=1), "promise 1"),
    ("publish after complete",): (Model(copies=(1,), ticks=2, faults=1), "promise 4"),
    ("never delete held",): (Model(copies=(2,), ticks=1, faults=1), "promise"),
}


@pytest.mark.parametrize("name", SOUND)
def test_promises_hold_in_every_reachable_state(name: str) -> None:
    model, settled_by = SOUND[name]
    found = search(model, settled_by=settled_by)
    assert not found.broken, f"{found.broken} after: {' → '.join(found.path)}"
    assert found.states > 1000, "a search with few states shows nothing"


@pytest.mark.long
@pytest.mark.parametrize("rules", NEEDED, ids=" and ".join)
def test_dropping_a_rule_breaks_a_promise(rules: tuple[str, ...]) -> None:
    model, promise = NEEDED[rules]
    found = search(replace(model, dropped=frozenset(rules)))
    assert found.broken.startswith(promise), f"nothing broke in {found.states:,} states"
