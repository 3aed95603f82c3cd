"""Reads a job written as a JSON object, whose pictures may have settings of their own."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.error_wording import ErrorWording
from cloudkon.instructions.animoto.job import AnimotoJob
from cloudkon.instructions.animoto.job_builder import build, check_count
from cloudkon.instructions.animoto.options import LINK, OPTIONS, Option, Scope

EXAMPLE = 'Write it as: {"seconds": 2, "pictures": [{"link": "https://example.org/one.jpg", "caption": "Our garden"}]}'
PICTURES = "pictures"
LINK_FIELD = LINK.name
_WORDING = ErrorWording(in_json=True)
_BRIEF = reprlib.Repr()
"""Shows the begin of a value, also of one as large or as deep as a document may be."""
_BRIEF.maxstring = 60
_OF_JOB = {name: option for name, option in OPTIONS.items() if option.scope is not Scope.PICTURE}
_OF_PICTURE = {LINK.name: LINK} | {name: option for name, option in OPTIONS.items() if option.scope is not Scope.JOB}


def parse_document(text: str) -> AnimotoJob:
    """Read a job, or raise ``InvalidInstruction``."""
    job = read_document(text)
    pictures = job.pop(PICTURES, None)
    if not isinstance(pictures, list) or not pictures:
        raise _WORDING.error(f'"{PICTURES}"', "there is no list of pictures", EXAMPLE)
    settings = _read_fields(job, {PICTURES: None, **_OF_JOB})
    check_count(len(pictures))
    return build(settings, [_read_picture(one, number) for number, one in enumerate(pictures, 1)], _WORDING)


def read_document(text: str) -> dict[str, Any]:
    """Return the JSON object with all its numbers as strings, or raise ``InvalidInstruction``."""
    try:
        job = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_without_duplicates
        )
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno} is not JSON: {error.msg}"
        raise InvalidInstruction("animoto job", reason, EXAMPLE) from None
    except RecursionError:
        raise InvalidInstruction("animoto job", "its brackets are nested too deeply", EXAMPLE) from None
    if not isinstance(job, dict):
        raise InvalidInstruction("animoto job", "it is not a JSON object", EXAMPLE)
    return job


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise _WORDING.error(f'"{name:.40}"', "it is given twice", "Remove one")
        found[name] = value
    return found


def _read_picture(picture: object, number: int) -> dict[str, Any]:
    if isinstance(picture, str):
        picture = {LINK_FIELD: picture}
    if not isinstance(picture, dict) or LINK_FIELD not in picture:
        raise _WORDING.error(
            f"{_BRIEF.repr(picture):.60}", "it is neither a link nor an object with one", EXAMPLE, number
        )
    return _read_fields(picture, _OF_PICTURE, number)


def _read_fields(fields: Mapping[str, object], known: Mapping[str, Option | None], picture: int = 0) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, written in fields.items():
        option = known.get(name)
        if option is None:
            _refuse_name(name, known, picture)
        if not isinstance(written, str):
            kind = "is missing" if written in (None, []) else "is neither a number nor a text"
            raise _WORDING.bad_value(option, "", BadValue(f"its value {kind}"), picture)
        try:
            written.encode()
            settings[option.field] = option.value.read(written)
        except UnicodeEncodeError:
            raise _WORDING.bad_value(
                option, "", BadValue("its text contains half a character (an unpaired surrogate)"), picture
            ) from None
        except BadValue as error:
            raise _WORDING.bad_value(option, written, error, picture) from None
    return settings


def _refuse_name(name: str, known: Mapping[str, Option | None], picture: int) -> NoReturn:
    remedy = "Known: " + ", ".join(known)
    if name in OPTIONS:
        remedy = "It belongs to a picture" if not picture else "It belongs to the whole job"
    raise _WORDING.error(f'"{name:.40}"', "there is no such field here", remedy, picture)
