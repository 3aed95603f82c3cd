"""Tags that a user gives: how they are read, and which of them AWS would refuse."""

import pytest

from cloudkon.errors import InvalidInput
from fleet.resource_tags import LONGEST_KEY, LONGEST_VALUE, MOST_TAGS, check_tags, parse_tags


def test_tags_are_read_as_key_and_value() -> None:
    assert parse_tags(("team=render", "cost centre=a=b", "old=")) == {"team": "render", "cost centre": "a=b", "old": ""}
    check_tags({"team": "render", "cost centre": "a=b", "k" * LONGEST_KEY: "v" * LONGEST_VALUE, "größe": "1"})


def test_tag_without_a_value_sign_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"--tags team: a tag is KEY=VALUE. Example: --tags team=render"):
        parse_tags(("team",))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"": "x"}, "a key has 1 to 127 characters"),
        ({"k" * (LONGEST_KEY + 1): "x"}, "a key has 1 to 127 characters"),
        ({"k": "v" * (LONGEST_VALUE + 1)}, "a value up to 255"),
        ({"AWS:team": "x"}, "keys that begin with aws: or cloudkon: are reserved"),
        ({"team": "Aws:render"}, "values that begin with aws: are reserved. Choose another value"),
        ({"Team": "a", "owner": "b", "team": "c"}, "--tags team: a role can't also have the key Team"),
        ({"cloudkon:fleet": "x"}, "are reserved. Choose another key"),
        ({"team": "a,b"}, "AWS allows letters, digits, spaces and"),
        ({f"k{number}": "x" for number in range(MOST_TAGS + 1)}, "AWS allows 50 a resource. Give up to 46"),
    ],
)
def test_tag_that_aws_would_refuse_is_refused_with_the_remedy(tags: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        check_tags(tags)
