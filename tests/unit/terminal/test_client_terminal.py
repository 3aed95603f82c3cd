"""Every command of the client, on a terminal, with hostile text at each source: nothing of it controls the terminal."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
import trio

from client.cli.main import COMMANDS, main, program
from client.cli.session import Session
from cloudkon.errors import AccessDenied
from cloudkon.memory import MemoryLedger, memory_services
from cloudkon.model import Chunk, ChunkKey, Outgoing, Result, Run, TaskId, TaskState
from cloudkon.ports import Services
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from tests.support.client_doubles import record_results
from tests.support.pseudo_terminal import HOSTILE, HOSTILE_LINE, HOSTILE_NAME, Shown, on_terminal

FILE = HOSTILE_NAME.replace("/", "")
RECIPES: dict[str, list[list[str]]] = {
    "generate": [["2", HOSTILE], ["2", "sleep", "1", "-o", HOSTILE_NAME], ["1", "exec", HOSTILE_LINE, "-o", "-"]],
    "animoto": [["1", "--from", HOSTILE], ["1", HOSTILE], ["1", "--from", FILE]],
    "slideshow": [[HOSTILE], [FILE]],
    "push": [
        [FILE],
        [HOSTILE],
        ["--set", HOSTILE],
        ["--chunk", HOSTILE],
        ["columns.txt", "--dry-run", "--set", f"a={FILE}"],
    ],
    "watch": [["r1"], [HOSTILE]],
    "check": [["r1", "--wait"], [HOSTILE]],
    "results": [["r1"], ["r1", "--csv"], [HOSTILE]],
    "failures": [["r1"], [HOSTILE]],
    "retry": [["r1"], [HOSTILE]],
    "pull": [["r1", FILE + "d", "--gallery"], ["r1", FILE], [HOSTILE]],
    "cancel": [[HOSTILE]],
    "runs": [[]],
    "status": [[]],
    "dlq list": [[]],
    "dlq show": [["message-1"], [HOSTILE]],
    "dlq redrive": [["--pool", HOSTILE]],
    "dlq drop": [["--run", HOSTILE]],
    "purge": [["--pool", HOSTILE]],
    "completion": [[HOSTILE]],
    "bench": [["--only", HOSTILE], ["--workers", HOSTILE]],
}
"""Command lines that show foreign text, for each command."""
QUIET = {("watch", "r1"), ("check", "r1")}
"""Those that show the counts of a run with hostile results, and nothing of their text."""


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from leaves(found, f"{before}{name} ")
        else:
            yield before + name, found


ALL = dict(leaves(program))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.dead_letters.dead_letters._WAIT_SECONDS", 0.0)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A fleet in which every text that comes from elsewhere is hostile."""
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_bytes(HOSTILE_NAME.encode())
    Path("columns.txt").write_text("sleep {a.b}\n")
    services = memory_services()
    run = Run.plan(run_id="r1", counts={"worker": 2}, chunk_size=1, digest="", started=1.0, parent=HOSTILE)
    done = Result(TaskId("r1", 0), TaskState.SUCCEEDED, output=f"s3://memory/{HOSTILE}", worker=HOSTILE)
    failed = Result(TaskId("r1", 1), TaskState.FAILED, error=HOSTILE, worker=HOSTILE)
    lines = gzip.compress("\n".join(["sleep 1", HOSTILE_NAME.replace("\n", " "), ""]).encode())

    async def fill() -> None:
        await services.ledger.create_run(run)
        await record_results(services, run, [done, failed])
        await services.store.put("runs/r1/instructions.gz", lines, "application/gzip", {})
        chunk = Chunk(ChunkKey("r1", 7, 1), 7, (HOSTILE_NAME,))
        letters = [Outgoing(HOSTILE, {"reason": HOSTILE}), Outgoing(encode_message(chunk), {"reason": HOSTILE})]
        await services.dead_letters["worker"].send(letters)

    trio.run(fill)
    return services


def run(services: Services, monkeypatch: pytest.MonkeyPatch, *words: str, keys: str = "") -> Shown:
    with on_terminal(monkeypatch, keys) as shown:
        main(words, Session(Settings(), lambda _settings: services))
    return shown[0]


def test_every_command_has_a_hostile_recipe() -> None:
    assert set(RECIPES) == set(ALL)
    assert {name.partition(" ")[0] for name in ALL} == set(COMMANDS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param(name, words, id=f"{name}-{number}")
        for name in RECIPES
        for number, words in enumerate(RECIPES[name])
    ],
)
def test_command_shows_hostile_text_as_escapes(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str, words: list[str]
) -> None:
    shown = run(services, monkeypatch, *name.split(), *words, keys="n\n")
    if (name, *words[:1]) in QUIET:
        assert not shown.harmful
    else:
        shown.assert_harmless()


@pytest.mark.parametrize("name", [name for name in ALL if any("--json" in one.opts for one in ALL[name].params)])
def test_command_shows_hostile_text_as_json(services: Services, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    words = RECIPES[name][0]
    shown = run(services, monkeypatch, *name.split(), *words, "--json", keys="n\n")
    assert not shown.harmful
    for line in shown.text.splitlines():
        if line.startswith("{"):
            assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize("name", ALL)
def test_command_shows_a_hostile_option_as_escapes(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run(services, monkeypatch, *name.split(), f"--{HOSTILE}", *["1"] * 3).assert_harmless()


def test_command_that_does_not_exist_is_shown_as_escapes(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run(services, monkeypatch, HOSTILE).assert_harmless()
    run(services, monkeypatch, "dlq", HOSTILE).assert_harmless()


class RefusingLedger(MemoryLedger):
    async def read_run(self, run_id: str) -> Run | None:
        raise AccessDenied(f"{run_id}: {HOSTILE}")


@pytest.mark.parametrize("name", ["watch", "check", "results", "failures", "retry", "pull", "cancel"])
def test_error_of_a_service_is_shown_as_escapes(services: Services, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run(replace(services, ledger=RefusingLedger()), monkeypatch, name, "r1").assert_harmless()


def test_dead_letter_is_shown_whole_as_json(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(services, monkeypatch, "dlq", "show", "message-1")
    assert HOSTILE in {value for value in json.loads(shown.text).values() if isinstance(value, str)}


def test_csv_in_a_file_is_the_data_itself(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    main(["results", "r1", "--csv"], Session(Settings(), lambda _settings: services))
    assert "\x1b[35;45m" in capsys.readouterr().out
