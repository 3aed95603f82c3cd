"""Every setting with any text: a value within its bounds, or an error that names the variable."""

import json
import tempfile
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from cloudkon.errors import InvalidSetting, NoFleet
from cloudkon.log import Log
from cloudkon.model import POOLS, Priority
from cloudkon.settings import (
    ENDPOINT_FILE,
    LONGEST_LEASE,
    LONGEST_SKEW,
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    MOST_SLOTS,
    PREFIX,
    Settings,
)
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.hostile_values import ANY_TEXT, JSON_VALUES, TEXT

NAMES = [PREFIX + one.name.upper() for one in fields(Settings)]
LIKELY = st.sampled_from(
    [
        "1",
        "0",
        "-1",
        "yes",
        "no",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "9" * 30,
        "9" * 5000,
        "0x10",
        "1_0",
        "٣",
        " 3 ",
        "a,b",
        "a b,",
        "local",
        "aws",
        "info",
        "debug",
        "\x1b[31m",
        "../..",
        "cloudkon",
        "http://127.0.0.1:4566",
        ",,",
    ]
)
# A variable of a process has no NUL.
TEXTS = (ANY_TEXT | LIKELY).map(lambda text: text.replace("\0", ""))
BOUNDS = {
    "slots": (1, MOST_SLOTS),
    "max_attempts": (1, MOST_ATTEMPTS),
    "lease_seconds": (1, LONGEST_LEASE),
    "skew_seconds": (0, LONGEST_SKEW),
    "poll_seconds": (0, 20),
    "stop_seconds": (0, LONGEST_WAIT),
    "retry_seconds": (0, LONGEST_WAIT),
    "task_timeout_seconds": (0, LONGEST_WAIT),
    "cancel_poll_seconds": (0, LONGEST_WAIT),
}


def read(variables: dict[str, str]) -> Settings | InvalidSetting:
    try:
        return Settings.from_environment(variables)
    except InvalidSetting as error:
        return error


@fuzzed(variables=st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=3))
def test_settings_are_within_their_bounds_or_refused(variables: dict[str, str]) -> None:
    found = read(variables)
    if isinstance(found, InvalidSetting):
        assert any(name in str(found) for name in variables)
        return
    for name, (least, most) in BOUNDS.items():
        assert least <= getattr(found, name) <= most
    assert Settings.from_environment(found.to_environment()) == found
    assert Log(found.log_level).is_enabled("error")
    assert quote(found.fleet, safe="") == found.fleet
    for pool in POOLS:
        assert len(pool.queue_name(found.fleet, Priority.HIGH)) <= 80


@fuzzed(variables=st.fixed_dictionaries({PREFIX + name.upper(): TEXTS for name in ("fleet", "log_level", "bucket")}))
def test_names_in_settings_are_printable_or_refused(variables: dict[str, str]) -> None:
    with suppress(InvalidSetting):
        found = Settings.from_environment(variables)
        assert "/" not in f"{found.fleet}{found.store_bucket}"
        assert f"{found.fleet}{found.store_bucket}".isprintable()


@fuzzed(
    content=TEXT.map(str.encode) | st.binary(max_size=40) | JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    value=JSON_VALUES,
)
def test_endpoint_file_of_any_content_is_an_address_or_no_fleet(content: bytes, value: Any) -> None:  # noqa: ANN401  (JSON)
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings(), state_dir=Path(folder))
        for written in (content, json.dumps({"endpoint_url": value}).encode()):
            Path(folder, ENDPOINT_FILE).write_bytes(written)
            with suppress(NoFleet):
                assert isinstance(settings.service_endpoint(), str)
