"""What is left out of a template before it is sent, and what must not be."""

from pathlib import Path

import pytest

from cloudkon.aws.stack_template import LONGEST, read_template, with_tags, without_comments
from cloudkon.errors import InvalidInput

TEMPLATE = """\
# For people.
Resources:

  One:
    # Why it is so.
    Data: !Sub |
      #!/bin/bash
      # a line of the script

      ECS_CLUSTER=${Fleet}
    Text: >-
      # text too
    Name: "a # b"  # kept: not a line of its own
  # The second.
  Two: [a, b]
"""


def test_comments_go_and_lines_of_scripts_stay() -> None:
    assert (
        without_comments(TEMPLATE)
        == """\
Resources:
  One:
    Data: !Sub |
      #!/bin/bash
      # a line of the script

      ECS_CLUSTER=${Fleet}
    Text: >-
      # text too
    Name: "a # b"  # kept: not a line of its own
  Two: [a, b]
"""
    )


def test_template_without_comments_is_unchanged() -> None:
    assert without_comments("Resources:\n  One: {}\n") == "Resources:\n  One: {}\n"


def test_script_of_its_own_stands_where_the_template_names_it(tmp_path: Path) -> None:
    (tmp_path / "look.sh").write_text(
        "#!/bin/bash\n# why\n\nfor one in ${all[@]}; do\n    # more\n    echo $one # here\ndone\n"
    )
    (tmp_path / "template.yaml").write_text("Data: !Sub |\n  cat <<'END'\n  {{ look.sh }}\n  END\nOther: ${Fleet}\n")
    assert read_template(tmp_path / "template.yaml") == (
        "Data: !Sub |\n  cat <<'END'\n"
        "  #!/bin/bash\n  for one in ${!all[@]}; do\n      echo $one # here\n  done\n"
        "  END\nOther: ${Fleet}\n"
    )


def test_chosen_tags_stand_beside_the_fleets_own() -> None:
    template = 'Tags: [{ Key: "cloudkon:fleet", Value: !Ref Fleet }]\nOther: 1\n'
    assert with_tags(template, {"team": 'a "b"', "x": "y"}) == (
        'Tags: [{ Key: "cloudkon:fleet", Value: !Ref Fleet }, {"Key": "team", "Value": "a \\"b\\""}, '
        '{"Key": "x", "Value": "y"}]\nOther: 1\n'
    )
    assert with_tags(template, {}) == template


def test_tags_that_make_the_template_too_long_are_refused_with_the_remedy() -> None:
    template = 'Tags: [{ Key: "cloudkon:fleet", Value: !Ref Fleet }]\n' + "x" * (LONGEST - 100)
    with pytest.raises(InvalidInput, match=r"2 tags: with them the template has 51,.* Give fewer or shorter ones"):
        with_tags(template, {"a": "b" * 100, "c": "d"})
