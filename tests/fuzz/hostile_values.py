"""Strategies for what strangers write: any text and bytes, JSON that is nearly right, and numbers that are not."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ANY_BYTES = st.binary(max_size=200)
NUMBERS = st.sampled_from(
    [
        0,
        1,
        -1,
        2**31,
        2**53,
        2**63 - 1,
        2**63,
        2**64,
        10**15,
        10**18,
        10**400,
        -(10**400),
        0.5,
        -0.0,
        1e308,
        -1e308,
        1.0,
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
DECIMALS = st.sampled_from(
    ["0", "-1", "1E308", "1e-130", "9" * 38, "1.5", "0.0", "-9E125", "", "NaN", "Infinity", "x"]
) | (st.integers().map(str))
"""Texts of DynamoDB numbers, and what is none."""


def nearly(value: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that differ from ``value`` in a few fields: missing, of another type, or added."""

    def change(changes: dict[str, Any], missing: set[str]) -> dict[str, Any]:
        return {name: found for name, found in {**value, **changes}.items() if name not in missing}

    names = st.sampled_from(sorted(value))
    return st.builds(change, st.dictionaries(names | TEXT, JSON_VALUES, max_size=2), st.sets(names, max_size=1))


def as_json(value: object) -> str:
    """Write a value as another program would: also numbers that JSON writers of ours would refuse."""
    return json.dumps(value)


def written_twice(name: str, value: object, body: str) -> str:
    """Write an object with a field that it has already."""
    return body.replace("{", f"{{{json.dumps(name)}:{json.dumps(value)},", 1)
