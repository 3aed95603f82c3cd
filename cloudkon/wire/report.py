"""Encodes and decodes a report: results of one run as the body of a message on the result queue.

    {"v": 1, "run": "3a4f0c1b2c3", "results": [[SEQ, STATE, TEXT, ATTEMPTS, STARTED, SECONDS, WORKER], …]}

``cloudkon.wire.result_rows`` defines the rows.
"""

from collections.abc import Iterable, Sequence

import orjson

from cloudkon.model import Result
from cloudkon.wire.fields import field, read_object, run_id_in
from cloudkon.wire.result_rows import check_rows, to_results, to_row

VERSION = 1
MOST_RESULTS = 500
"""Results in one report. Without texts they take about 40 KB, and SQS bills 64 KB as one request."""


def encode_report(run: str, results: Iterable[Result]) -> str:
    """Return the body of a report. All results must be of ``run``."""
    value = {"v": VERSION, "run": run, "results": [to_row(result) for result in results]}
    return orjson.dumps(value).decode()


def decode_report(body: str) -> Sequence[Result]:
    """Read a report's body, or raise ``MalformedMessage``."""
    value = read_object(body, "the report", VERSION)
    run = run_id_in(value)
    return to_results(run, check_rows(field(value, "results", list)))
