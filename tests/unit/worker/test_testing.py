"""``rehearse``, for the authors of handlers: the whole pipeline in a plain test."""

import json
import os

import pytest
import trio

from cloudkon.errors import InvalidInput, InvalidInstruction, InvalidSetting, PermanentFailure
from cloudkon.handler import Context
from cloudkon.model import TaskState
from images.worker.testing import rehearse
from tests.unit.worker import slow_handlers


async def greet(arguments: str, context: Context) -> str:
    return f"{context.task.seq}: hello {arguments}, attempt {context.attempt}"


async def refuse(arguments: str, context: Context) -> None:
    raise PermanentFailure("not here")


async def repeat(arguments: str, context: Context) -> str:
    return "x\r\n" * int(arguments)


async def log_words(arguments: str, context: Context) -> None:
    context.log.info("words", what=arguments)


def test_results_come_in_the_order_of_the_instructions() -> None:
    results = rehearse({"greet": greet}, [f"greet {number}" for number in range(200)], slots=4)
    assert [one.output for one in results] == [f"{number}: hello {number}, attempt 1" for number in range(200)]
    assert {one.state for one in results} == {TaskState.SUCCEEDED}


def test_plain_functions_run_in_their_own_process_and_may_die_there() -> None:
    handlers = {"who": slow_handlers.who, "crash": slow_handlers.crash, "crash_once": slow_handlers.crash_once}
    who, crash, crash_once = rehearse(handlers, ["who am i", "crash", "crash_once"], max_attempts=2)
    assert who.output.split()[0] != str(os.getpid())
    assert (crash.state, crash.attempts) == (TaskState.FAILED, 2)
    assert "SIGSEGV" in crash.error
    assert (crash_once.state, crash_once.attempts, crash_once.output) == (TaskState.SUCCEEDED, 2, "at last")


def test_hanging_handler_is_stopped() -> None:
    (result,) = rehearse({"wait": slow_handlers.wait}, ["wait 1000"], task_timeout_seconds=0.5, max_attempts=1)
    assert (result.state, result.error) == (TaskState.FAILED, "timed out after 0.5 s")


def test_failures_are_tried_again_unless_they_are_permanent() -> None:
    plain, permanent = rehearse({"fail": slow_handlers.fail, "refuse": refuse}, ["fail", "refuse"])
    assert (plain.error, plain.attempts) == ("ValueError: bad luck", 3)
    assert (permanent.error, permanent.attempts) == ("not here", 1)


def test_long_output_is_returned_whole() -> None:
    short, long = rehearse({"repeat": repeat}, ["repeat 2", "repeat 10000"])
    assert (short.output, long.output) == ("x\r\n" * 2, "x\r\n" * 10_000)


def test_built_in_instructions_are_known_and_exec_is_off() -> None:
    slept, executed = rehearse({}, ["sleep 1", "exec true"])
    assert slept.state is TaskState.SUCCEEDED
    assert "CLOUDKON_ALLOW_EXEC" in executed.error
    (allowed,) = rehearse({}, ["exec echo yes"], allow_exec=True)
    assert allowed.output == "yes"


def test_empty_list_of_instructions_has_no_results() -> None:
    assert rehearse({"greet": greet}, []) == []


def test_handlers_log_is_shown_at_level_info(capfd: pytest.CaptureFixture[str]) -> None:
    rehearse({"log": log_words}, ["log it"])
    assert capfd.readouterr().err == ""
    rehearse({"log": log_words}, ["log it"], log_level="info")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(one["task"], one["what"]) for one in lines if one["action"] == "words"] == [("local/0", "it")]


def test_environment_variables_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDKON_MAX_ATTEMPTS", "1")
    (result,) = rehearse({"fail": slow_handlers.fail}, ["fail"])
    assert result.attempts == 3


@pytest.mark.parametrize(
    ("instruction", "error"),
    [
        ("gret 1", "no handler accepts it. Known: "),
        ("sleep soon", "is not a number of milliseconds"),
        ("animoto https://example.org/a.jpg", "only instructions of the pool worker can be rehearsed"),
        ("greet " + "x" * 4_200_000, "an instruction may have 4,194,304"),
        ("", "no handler accepts it"),
    ],
)
def test_instructions_that_push_refuses_are_refused_before_any_task_runs(instruction: str, error: str) -> None:
    with pytest.raises(InvalidInstruction, match=error):
        rehearse({"greet": greet}, [instruction])


def test_single_string_is_refused_as_a_list_of_instructions() -> None:
    with pytest.raises(InvalidInput, match="Pass a list of strings"):
        rehearse({"greet": greet}, "greet 1")


def test_handler_that_no_process_can_import_is_named() -> None:
    def inner(arguments: str, context: Context) -> str:
        return arguments

    with pytest.raises(InvalidInput, match=r"handler 'inner'.*Define it at the top of a module"):
        rehearse({"inner": inner}, ["inner 1"])


def test_invalid_setting_is_named() -> None:
    with pytest.raises(InvalidSetting, match="CLOUDKON_SLOTS"):
        rehearse({"greet": greet}, ["greet 1"], slots=0)


async def test_rehearse_runs_in_a_thread_beside_trio() -> None:
    (result,) = await trio.to_thread.run_sync(rehearse, {"greet": greet}, ["greet you"])
    assert result.output == "0: hello you, attempt 1"
