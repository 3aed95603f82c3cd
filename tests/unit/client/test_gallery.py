import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import trio

from client.results.gallery import MOST_FAILURES
from cloudkon.errors import EXIT_FAILED, EXIT_OK
from cloudkon.model import Result, Run, TaskId, TaskState
from cloudkon.ports import Services
from tests.support.client_doubles import record_results
from tests.unit.client.commands import Client

FACTS = {"pictures": "60", "missing": "2", "seconds": "60", "fps": "30", "size": "1920x1080"}
NOTE = "(2 of 62 pictures missing: picture 3, http://example.org/<b>3</b>.jpg: nothing is there)"
EVIL = '<script>alert(1)</script> & "more" \x1b[31m'


class Reader(HTMLParser):
    """Parses a page: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def make_run(services: Services, count: int) -> Run:
    run = Run.plan(run_id="r1", counts={"animoto": count}, chunk_size=1, digest="d", started=1e9)
    trio.run(services.ledger.create_run, run)
    return run


def record(services: Services, run: Run, *results: Result) -> None:
    trio.run(record_results, services, run, results)


def made(services: Services, seq: int, *, poster: bool = True, output: str = "", suffix: str = ".mp4") -> Result:
    """Store an object, and return the task's result that names it."""
    key = f"videos/r1/{seq}.t0k"

    async def put() -> str:
        if poster:
            await services.store.put(f"{key}.jpg", b"poster %d" % seq, "image/jpeg", FACTS)
        return (await services.store.put(f"{key}{suffix}", b"object %d" % seq, "video/mp4", FACTS)).address

    address = trio.run(put)
    return Result(TaskId("r1", seq), TaskState.SUCCEEDED, f"{address} {output}".strip(), seconds=12.34, worker="vm-1")


def read(folder: Path) -> Reader:
    return Reader((folder / "index.html").read_text())


def test_videos_are_shown_with_posters_facts_and_timings(
    services: Services, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(services, 4)
    record(services, run, made(services, 2), made(services, 0, output=NOTE), made(services, 1, poster=False))
    assert client("pull", "--gallery", "r1") == EXIT_OK
    assert capsys.readouterr().out == "videos/index.html\n"
    assert (tmp_path / "videos/0.jpg").read_bytes() == b"poster 0"
    page = read(tmp_path / "videos")
    assert [video["src"] for video in page.all("video")] == ["0.mp4", "1.mp4", "2.mp4"]
    assert [(one.get("poster"), one["preload"]) for one in page.all("video")] == [
        ("0.jpg", "none"),
        (None, "metadata"),
        ("2.jpg", "none"),
    ]
    assert {(one["width"], one["height"]) for one in page.all("video")} == {("1920", "1080")}
    assert "4 tasks · 3 succeeded · 1 not ended" in page.text
    assert "0.mp4 · 60 pictures, 2 missing · 60 s · 1920 × 1080" in page.text  # noqa: RUF001  (a real multiplication sign)
    assert "made in 12.3 s · vm-1" in page.text
    assert NOTE in page.text
    assert page.all("b") == []


def test_failures_and_missing_files_are_listed(
    services: Services, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(services, 3)
    failed = Result(TaskId("r1", 1), TaskState.FAILED, error="2 of 2 pictures can't be used", attempts=3)
    gone = Result(TaskId("r1", 2), TaskState.SUCCEEDED, "s3://memory/videos/gone.mp4")
    record(services, run, made(services, 0), failed, gone)
    assert client("pull", "--gallery", "r1", "here") == EXIT_FAILED
    assert capsys.readouterr().out == "here/index.html\n"
    text = read(tmp_path / "here").text
    assert "3 tasks · 2 succeeded · 1 failed" in text
    assert re.search(r"Task 1, 3 attempts\n2 of 2 pictures can't be used", text)
    assert re.search(r"Not in this folder: pull again\n+Task 2, 1 attempt\ns3://memory/videos/gone.mp4", text)


def test_foreign_texts_are_escaped(services: Services, client: Client, tmp_path: Path) -> None:
    run = make_run(services, 2)
    failed = Result(TaskId("r1", 1), TaskState.FAILED, error=EVIL)
    record(services, run, replace(made(services, 0, output=EVIL), worker=EVIL), failed)
    assert client("pull", "--gallery", "r1") == EXIT_OK
    page = read(tmp_path / "videos")
    assert page.all("script") == []
    assert page.text.count(EVIL.replace("\x1b", "\\x1b")) == 3


def test_page_loads_only_the_files_beside_it(services: Services, client: Client, tmp_path: Path) -> None:
    record(services, make_run(services, 1), made(services, 0))
    client("pull", "--gallery", "r1")
    text = (tmp_path / "videos/index.html").read_text()
    assert "//" not in text.replace("<!DOCTYPE html>", "")
    [policy] = [one["content"] for one in Reader(text).all("meta") if "http-equiv" in one]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_other_objects_are_shown_by_their_type(services: Services, client: Client, tmp_path: Path) -> None:
    record(
        services,
        make_run(services, 2),
        made(services, 0, poster=False, suffix=".png"),
        made(services, 1, poster=False, suffix=".csv"),
    )
    assert client("pull", "--gallery", "r1") == EXIT_OK
    page = read(tmp_path / "videos")
    assert [one["src"] for one in page.all("img")] == ["0.png"]
    assert [one["href"] for one in page.all("a")] == ["0.png", "1.csv"]


def test_page_is_rewritten_but_never_over_a_foreign_file(
    services: Services, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(services, 2)
    record(services, run, made(services, 0))
    assert client("pull", "--gallery", "r1") == EXIT_OK
    record(services, run, made(services, 1))
    assert client("pull", "--gallery", "r1") == EXIT_OK
    assert len(read(tmp_path / "videos").all("video")) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("my homepage")
    assert client("pull", "--gallery", "r1", "mine") == 2
    assert "this file was not written by a pull" in capsys.readouterr().err
    assert (tmp_path / "mine/index.html").read_text() == "my homepage"


def test_page_lists_a_bounded_number_of_failures(services: Services, client: Client, tmp_path: Path) -> None:
    count = MOST_FAILURES + 50
    record(
        services,
        make_run(services, count),
        *(Result(TaskId("r1", seq), TaskState.FAILED, error="x") for seq in range(count)),
    )
    client("pull", "--gallery", "r1")
    page = read(tmp_path / "videos")
    assert len(page.all("dt")) == MOST_FAILURES
    assert "And 50 more: python -m client failures" in page.text
