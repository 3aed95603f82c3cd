"""Reads a job written as ``--option value`` words and links."""

from collections.abc import Iterator
from typing import Any

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.error_wording import ErrorWording
from cloudkon.instructions.animoto.job import AnimotoJob
from cloudkon.instructions.animoto.job_builder import EXAMPLE, build, check_count
from cloudkon.instructions.animoto.links import check_link
from cloudkon.instructions.animoto.options import OPTIONS, Scope
from cloudkon.instructions.animoto.quoting import split_words

_WORDING = ErrorWording(in_json=False)
_OPTIONS = {f"--{option.name}": option for option in OPTIONS.values() if option.scope is not Scope.PICTURE}
_SHOWN = 100
"""Characters of a link or a value that an error repeats."""


def parse_line(arguments: str) -> AnimotoJob:
    """Read the words, or raise ``InvalidInstruction``."""
    settings: dict[str, Any] = {}
    links: list[str] = []
    words = iter(_split(arguments))
    for word in words:
        if word.startswith("--"):
            _read_option(word, words, settings)
        else:
            links.append(word)
    _check_links(links)
    return build(settings, [{"link": link} for link in links], _WORDING)


def _split(arguments: str) -> list[str]:
    try:
        return split_words(arguments)
    except BadValue as error:
        raise InvalidInstruction(f"animoto {arguments:.40}…", error.reason, error.remedy) from None


def _read_option(word: str, words: Iterator[str], settings: dict[str, Any]) -> None:
    name, equals, value = word.partition("=")
    option = _OPTIONS.get(name)
    if option is None:
        remedy = "Known: " + ", ".join(_OPTIONS)
        if name.removeprefix("--") in OPTIONS:
            remedy = f'It belongs to a picture, in JSON: {{"pictures": [{{"link": …, "{name[2:]}": …}}]}}'
        raise InvalidInstruction(f"animoto {name:.{_SHOWN}}", "there is no such option", remedy)
    if not equals:
        value = next(words, "")
    if not value:
        raise _WORDING.bad_value(option, "", BadValue("its value is missing"))
    if option.field in settings:
        raise _WORDING.error(_WORDING.spell(option.name, value), "the option is given twice", "Remove one")
    try:
        settings[option.field] = option.value.read(value)
    except BadValue as error:
        raise _WORDING.bad_value(option, value, error) from None


def _check_links(links: list[str]) -> None:
    if not links:
        raise InvalidInstruction("animoto", "there is no link to a picture", EXAMPLE)
    check_count(len(links))
    for link in links:
        try:
            check_link(link)
        except BadValue as error:
            raise InvalidInstruction(f"animoto link {link:.{_SHOWN}}", error.reason, error.remedy) from None
