"""Only killers fail, however many slots run beside them; and each rule about careful tasks is needed."""

from dataclasses import replace

import pytest

from tests.unit.protocol.death_model import CROWDED, HEALTHY, KILLER, DeathModel
from tests.unit.protocol.exploration import Found, Space, explore

SOUND = {
    "a killer beside a healthy task": DeathModel(((KILLER,), (HEALTHY,)), faults=2),
    "a killer in a larger chunk": DeathModel(((HEALTHY, KILLER, HEALTHY), (HEALTHY,)), faults=0, stops=1),
    "killers in two chunks": DeathModel(((KILLER,), (HEALTHY, KILLER)), faults=0),
    "two workers": DeathModel(((KILLER,), (HEALTHY,)), workers=2, faults=0, stops=1),
    "three slots": DeathModel(((KILLER,), (HEALTHY,), (HEALTHY,)), slots=3, faults=0),
    "a task that kills only beside others": DeathModel(((CROWDED,), (HEALTHY, HEALTHY)), faults=1),
    "infrastructure that strikes as often as a killer": DeathModel(((HEALTHY,), (HEALTHY,)), faults=4),
}
BESIDE = DeathModel(((KILLER,), (HEALTHY,)), faults=0)
NEEDED = {
    "nothing runs beside a careful task": (BESIDE, "promise 6"),
    "cleared before others start": (DeathModel(((KILLER,), (HEALTHY, HEALTHY)), faults=0), "promise 6"),
    "recorded before it starts": (DeathModel(((HEALTHY, KILLER),), faults=0), "promise 6"),
    "careful after two losses": (BESIDE, "promise 5"),
    "a release clears the suspect": (replace(BESIDE, stops=1), "promise 6"),
}


def search(model: DeathModel) -> Found:
    space = Space(model.start, model.steps, model.check, model.is_settled, lambda _: True, lambda world: world.faults)
    return explore(space)


@pytest.mark.parametrize("name", SOUND)
def test_only_killers_fail_and_everything_ends_in_every_reachable_state(name: str) -> None:
    found = search(SOUND[name])
    assert not found.broken, f"{found.broken} after: {' → '.join(found.path)}"
    assert found.states > 300, "a search with few states shows nothing"


@pytest.mark.parametrize("rule", NEEDED)
def test_dropping_a_rule_blames_the_innocent_or_lets_a_killer_go_on(rule: str) -> None:
    model, promise = NEEDED[rule]
    found = search(replace(model, dropped=frozenset({rule})))
    assert found.broken.startswith(promise), f"nothing broke in {found.states:,} states"
