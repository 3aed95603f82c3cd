"""The emulator reads its saved state as a whole, or does not start: its next save replaces what it did not read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.local.emulator_server.saved_state import StateNotRead, read_state


def _save(directory: Path, *services: str) -> None:
    for service in services:
        (directory / f"{service}.json").write_text("{}", encoding="utf-8")


def _fail(_: Any) -> None:  # noqa: ANN401  (a service's own state)
    raise FileNotFoundError("No usable temporary directory found")


def test_saved_services_get_their_states_and_others_begin_empty(tmp_path: Path) -> None:
    _save(tmp_path, "sqs", "dynamodb")
    restored: dict[str, Any] = {}

    def restorer(service: str) -> Callable[[Any], None]:
        return lambda state: restored.update({service: state})

    restorers = {service: restorer(service) for service in ("s3", "sqs", "dynamodb")}
    assert read_state(tmp_path, lambda service: {"of": service}, restorers) == []
    assert restored == {"sqs": {"of": "sqs"}, "dynamodb": {"of": "dynamodb"}}


def test_needed_service_that_can_not_take_its_state_ends_the_start(tmp_path: Path) -> None:
    """As on a full disk, where the emulator's modules can't be imported."""
    _save(tmp_path, "cloudformation")
    with pytest.raises(StateNotRead, match=r"cloudformation\.json: FileNotFoundError.*No usable temporary directory"):
        read_state(tmp_path, lambda _: {"stacks": {}}, {"cloudformation": _fail})


def test_needed_service_whose_file_is_damaged_ends_the_start(tmp_path: Path) -> None:
    """The emulator returns nothing for a damaged file, as for a missing one."""
    _save(tmp_path, "dynamodb")
    with pytest.raises(StateNotRead, match=r"dynamodb\.json: see the lines before"):
        read_state(tmp_path, lambda _: None, {"dynamodb": lambda _: None})


def test_service_that_no_fleet_needs_may_fail(tmp_path: Path) -> None:
    _save(tmp_path, "lambda", "sqs")
    restored: list[Any] = []
    missing = read_state(tmp_path, lambda service: {"of": service}, {"lambda": _fail, "sqs": restored.append})
    assert [problem for problem in missing if "lambda.json" in problem] == missing
    assert restored == [{"of": "sqs"}]
