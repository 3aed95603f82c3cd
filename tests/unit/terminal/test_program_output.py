"""Each program, started on a terminal, shows hostile text as escapes; and only one module writes to a terminal."""

import ast
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudkon.log import Log
from cloudkon.terminal import prepare_streams, print_line, say_error
from tests.support.pseudo_terminal import HOSTILE, HOSTILE_NAME, Shown, on_terminal, run_on_terminal

ROOT = Path(__file__).parents[3]
TREES = ("cloudkon", "client", "fleet", "images", "demo")
ONE_PLACE = {"cloudkon/terminal.py"}
NOT_ON_TERMINALS = {"fleet.local.emulator_server", "fleet.local.processes.shim"}
"""Programs that only the supervisor starts, with pipes and log files."""
NO_TEXT = {
    "fleet/local/emulator_server/server.py",  # it runs in the emulator's Python, without this package
    "fleet/local/processes/shim.py",  # its handshake with the supervisor
    "images/worker/execution/process_state.py",  # it keeps the streams, to set them back
    "images/worker/execution/slot_child.py",  # it makes the streams of handlers line-buffered
}
"""Modules that name the standard streams and write no text to a terminal."""
ARGUMENT = HOSTILE.replace("/", "")
PROGRAMS: dict[str, tuple[list[str], dict[str, str]]] = {
    "client": (["push", ARGUMENT], {}),
    "fleet": (["status"], {"CLOUDKON_TARGET": ARGUMENT}),
    "fleet.local": ([], {"CLOUDKON_TARGET": ARGUMENT}),
    "fleet.local.install": ([], {"CLOUDKON_TARGET": ARGUMENT}),
    "images.worker": (["--local", ARGUMENT], {}),
    "images.worker.health": ([], {"TMPDIR": "{folder}"}),
    "images.animoto": (["--plan", f"animoto {ARGUMENT}"], {}),
    "demo": ([f"--{ARGUMENT}"], {}),
}
"""Arguments and variables with which each program shows foreign text."""


def programs() -> Iterator[str]:
    for tree in TREES:
        for path in (ROOT / tree).rglob("*.py"):
            if '__name__ == "__main__"' in path.read_text(encoding="utf-8"):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")


def raw_writes(source: str) -> Iterator[int]:
    """The lines that write to a standard stream, or hand one on to something that does."""
    tree = ast.parse(source)
    reads = {"flush", "isatty", "fileno"}
    harmless = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in reads}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("sys"), attr="stdout" | "stderr" | "__stdout__" | "__stderr__"):
                if id(node) not in harmless:
                    yield node.lineno
            case ast.Attribute(value=ast.Name("click"), attr="echo" | "secho" | "confirm" | "prompt" | "progressbar"):
                yield node.lineno
            case ast.Call(func=ast.Name("print" | "Console")):
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=ast.Name("os"), attr="write"), args=[ast.Constant(1 | 2), *_]):
                yield node.lineno


def test_only_one_module_writes_to_the_terminal() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for tree in TREES
        for path in (ROOT / tree).rglob("*.py")
        if str(path.relative_to(ROOT)) not in ONE_PLACE | NO_TEXT
        for line in raw_writes(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_raw_writes_are_found() -> None:
    lines = ["sys.stdout.write(x)", "sys.stdout.flush()", "click.echo(x)", "print(x)", "csv.writer(sys.stderr)"]
    source = "\n".join([*lines, "Console()", "os.write(2, x)"])
    assert sorted(raw_writes(source)) == [1, 3, 4, 5, 6, 7]


def test_every_program_has_a_hostile_start() -> None:
    assert set(programs()) == set(PROGRAMS) | NOT_ON_TERMINALS


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_shows_hostile_text_as_escapes(name: str, tmp_path: Path) -> None:
    arguments, variables = PROGRAMS[name]
    folder = tmp_path / HOSTILE_NAME.replace("/", "")
    folder.mkdir()
    environment = {variable: text for variable, text in os.environ.items() if not variable.startswith("CLOUDKON_")}
    environment |= {"PYTHONPATH": str(ROOT), "CLOUDKON_STATE_DIR": str(tmp_path / "state"), "TERM": "xterm-256color"}
    environment |= {variable: text.replace("{folder}", str(folder)) for variable, text in variables.items()}
    command = [sys.executable, "-m", name, *arguments]
    code, shown = run_on_terminal(command, environment)
    assert code
    shown.assert_harmless()


def test_log_line_is_printable_json(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        Log(descriptor=stream.fileno()).error("failed", error=HOSTILE)
    text = (tmp_path / "log").read_text()
    Shown(text).assert_harmless()
    assert json.loads(text)["error"] == HOSTILE


def test_line_break_in_a_text_forges_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("one\ntwo")
    say_error("one\nerror: two")
    assert capsys.readouterr() == ("one\\ntwo\n", "error: one\n  error: two\n")


def test_stream_that_lacks_a_character_shows_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data, encoding="ascii"))
    prepare_streams()
    print_line("é\x1b")
    assert data.getvalue() == b"\\xe9\\x1b\n"


def test_what_a_library_prints_is_made_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal(monkeypatch) as shown:
        prepare_streams()
        print(HOSTILE.replace("\n", " "))  # noqa: T201  (as a library does)
        print(HOSTILE.replace("\n", " "), file=sys.stderr)  # noqa: T201  (as above)
    shown[0].assert_harmless()
