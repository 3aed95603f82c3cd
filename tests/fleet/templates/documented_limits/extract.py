"""Extracts the limits of all fields that the templates and the programs' calls set, from botocore's documentation.

``python -m tests.fleet.templates.documented_limits.extract`` writes them to ``limits.json``, each with AWS's sentence.
It needs no network. It fails for a sentence that gives no rule and that nobody has read.
"""

import datetime as dt
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import botocore

from tests.fleet.double.template import Template
from tests.fleet.templates.documented_limits.calls import calls
from tests.fleet.templates.documented_limits.fields import Field, fields_below, fields_of
from tests.fleet.templates.documented_limits.limits import STORED
from tests.fleet.templates.documented_limits.requests import requests_of
from tests.fleet.templates.documented_limits.reviewed import reason_of
from tests.fleet.templates.documented_limits.rules import rule_of
from tests.support.template_rendering import COMPUTE, DATA_OPTIONS, Resources, render, text_of


def extracted() -> dict[str, list[dict[str, Any]]]:
    """Return each field's sentences with a rule or the reason why there is none; fields without any have none."""
    sentences = {field.name: field.sentences for field in _fields()}
    return {name: [_read(one) for one in found] for name, found in sorted(sentences.items())}


def unread(fields: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Return the sentences that give no rule and have no reason."""
    return sorted({one["sentence"] for found in fields.values() for one in found if len(one) == 1})


def all_renderings() -> Iterator[Resources]:
    """Yield both templates with each set of options."""
    for name, options in (("data", DATA_OPTIONS), ("compute", COMPUTE)):
        template = Template(text_of(name))
        yield from (render(template, chosen) for chosen in options.values())


def _fields() -> Iterator[Field]:
    for resources in all_renderings():
        for request in requests_of(resources):
            yield from fields_of(request.service, request.operation, request.members)
    for service, operation, member in calls():
        yield from fields_below(service, operation, member)


def _read(sentence: str) -> dict[str, Any]:
    if rule := rule_of(sentence):
        return {"sentence": sentence, "rule": rule}
    reason = reason_of(sentence)
    return {"sentence": sentence, "no_rule": reason} if reason else {"sentence": sentence}


def main() -> int:
    """Store the limits. Return the exit code."""
    fields = extracted()
    for sentence in unread(fields):
        sys.stderr.write(f"nobody has read: {sentence}\n")
    today = dt.datetime.now(dt.UTC).date().isoformat()
    source = f"the API models of botocore {botocore.__version__}"
    stored = {"source": source, "extracted": today, "fields": fields}
    STORED.write_text(f"{json.dumps(stored, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
    return 1 if unread(fields) else 0


if __name__ == "__main__":
    sys.exit(main())
