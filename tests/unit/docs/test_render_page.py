"""Checks docs/render.md: every option with its own description, and examples that can be pushed."""

import json

from cloudkon.instructions.animoto import OPTIONS, Scope, parse_animoto
from tests.support.pages import blocks, page, rows, section

TEXT = page("render.md")
APPLIES_TO = {Scope.JOB: "the whole", Scope.EACH: "each", Scope.PICTURE: "a picture"}


def test_every_option_is_documented_and_no_other() -> None:
    assert rows(section(TEXT, "Options"), 5) == [
        [
            f"`{option.name}`" if option.scope is Scope.PICTURE else f"`--{option.name}`",
            option.value.shape,
            f"`{option.default}`" if option.default else "",
            APPLIES_TO[option.scope],
            option.help,
        ]
        for option in OPTIONS.values()
    ]


def test_both_ways_to_write_a_slideshow_make_the_same_job() -> None:
    text = section(TEXT, "Two ways to write a slideshow")
    line, document = blocks(text, "")[0].splitlines()
    assert parse_animoto(line.removeprefix("animoto ")) == parse_animoto(document.removeprefix("animoto "))


def test_documented_job_can_be_pushed() -> None:
    (document,) = blocks(section(TEXT, "Two ways to write a slideshow"), "json")
    job = parse_animoto(document)
    assert [float(slide.seconds) for slide in job.slides] == [1, 4, 2.5]
    assert job == parse_animoto(json.dumps(json.loads(document)))
