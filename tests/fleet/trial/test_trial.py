"""The trial on a real account, offline: its own calls go to moto, and its command lines to a scripted fleet."""

import os
import re
import signal
from collections.abc import Callable
from functools import partial

import pytest

from cloudkon.errors import InvalidInput
from fleet.aws.policies.catalogue import FILES_OF
from fleet.cli.commands import fleet as fleet_commands
from tests.aws import trial as trial_module
from tests.aws.limits import DOLLARS, HOURS
from tests.aws.real_fleet import RealFleet
from tests.aws.trial import FLAG
from tests.fleet.trial.conftest import TrialRun
from tests.fleet.trial.scripted_fleet import ScriptedFleet
from tests.support.pages import page

STEPS = (
    "fleet policy publish --json",
    "fleet up --dry-run",
    "fleet up --max-instances 2",
    "fleet up --max-instances 2 --spot 100",
)
"""Commands of the first steps; the tests below end the trial in the later ones."""


def at(line: str, then: Callable[[], object]) -> Callable[[int, str], object]:
    """Return a hook that does something at the first command of that line."""
    done: list[str] = []

    def hook(_number: int, found: str) -> object:
        if found != line or done:
            return False
        done.append(found)
        return then()

    return hook


def test_trial_of_a_healthy_fleet_succeeds_and_leaves_nothing(run: TrialRun) -> None:
    assert run.run() == []
    assert run.left() == []
    assert "what is left: nothing" in run.reports[-1]
    used = {words: roles for words, roles in run.fleet.roles.items() if words != "fleet policy"}
    expected = {f"fleet {verb}": {f"{run.fleet.name}-{verb}"} for verb in fleet_commands.commands if verb != "policy"}
    expected |= {"fleet build": {f"{run.fleet.name}-publish"}}
    expected["fleet down"] |= {f"{run.fleet.name}-down-delete-data"}
    assert {words: roles for words, roles in used.items() if words.startswith("fleet")} == expected
    assert {role for words, roles in used.items() if words.startswith("client") for role in roles} == {
        f"{run.fleet.name}-client"
    }
    assert {role.split("-", 2)[2] for role in set().union(*used.values())} >= set(FILES_OF)
    # What the user's own credentials must be allowed to do.
    calls = {one for one in run.calls if one.startswith(("iam:", "fis:", "sts:Assume"))}
    assert calls | UNSEEN == set(re.findall(r"`((?:iam|fis|sts):\w+)`", guide()))


UNSEEN = {"fis:StopExperiment", "fis:TagResource", "iam:PassRole", "iam:TagRole"}
"""Actions without a call of their own, and the one for an experiment that still runs."""


def guide() -> str:
    text = page("operations.md")
    return text[text.index("## A trial on a real account") :]


@pytest.mark.parametrize("line", STEPS)
def test_trial_that_fails_at_a_step_leaves_nothing(run: TrialRun, line: str) -> None:
    run.fleet.fails = at(line, lambda: True)
    assert run.run() == [f"python -m {line}: exit code 1"]
    assert run.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_interrupted_trial_leaves_nothing(run: TrialRun, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    run.fleet.fails = at("fleet deploy --pool worker", partial(os.kill, os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert run.left() == []
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    "line", ["fleet policy publish --json", pytest.param("client results run1 --json", marks=pytest.mark.long)]
)
def test_trial_that_was_killed_is_cleaned_up_later(run: TrialRun, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "clean_up", lambda *_: ["killed"])
        run.fleet.fails = at(line, lambda: True)
        assert run.run()[-1] == "killed"
    assert run.left() != []
    assert run.clean() == []
    assert run.left() == []
    assert f"taking down {run.fleet.name} in us-east-1" in run.reports


def test_cleaning_up_an_account_without_trials_says_so(run: TrialRun) -> None:
    assert run.clean() == []
    assert "no trial has left anything" in run.reports[-1]
    assert run.fleet.lines == []


@pytest.mark.parametrize(
    "operation",
    ["CreateRole", "PutRolePolicy", "CreatePolicy", "AttachRolePolicy", "CreateExperimentTemplate", "StartExperiment"],
)
def test_refused_call_ends_the_trial_and_leaves_nothing(run: TrialRun, operation: str) -> None:
    run.refused = [operation]
    assert [one for one in run.run() if operation in one]
    assert run.left() == []


@pytest.mark.parametrize(
    ("operations", "failing"),
    [
        pytest.param(
            ["DeleteExperimentTemplate", "DeleteServiceLinkedRole"], "fleet down --yes", marks=pytest.mark.long
        ),
        (["DetachRolePolicy"], "fleet up --dry-run"),
        (["DeletePolicy"], "fleet up --dry-run"),
        (["DeleteRole"], "fleet up --dry-run"),
    ],
    ids=["experiment", "detach", "policy", "role"],
)
def test_refused_deletion_is_named_and_done_by_a_later_clean_up(
    run: TrialRun, operations: list[str], failing: str
) -> None:
    run.fleet.fails = at(failing, lambda: True)
    run.refused = list(operations)
    wrong = run.run()
    assert all(any(operation in one for one in wrong) for operation in operations)
    assert run.left() != []
    assert run.clean() == []
    assert run.left() == []


def test_new_roles_may_be_unknown_for_a_while_and_roles_that_were_there_stay(run: TrialRun) -> None:
    iam = run.session.client("iam")
    iam.create_service_linked_role(AWSServiceName="fis.amazonaws.com")
    run.refused = ["AssumeRole", "AssumeRole"]
    assert run.run() == []
    assert run.left() == ["AWSServiceRoleForFIS"]
    iam.delete_service_linked_role(RoleName="AWSServiceRoleForFIS")


def test_failing_audit_keeps_nothing_but_the_notes(run: TrialRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fleet: RealFleet) -> list[str]:
        raise KeyError("planted")

    run.fleet.fails = at("fleet publish --pool worker", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr(RealFleet, "left", fail)
        assert run.run()[-1] == "audit: KeyError('planted')"
    assert run.left() == [f"{run.fleet.name}-experiment"]
    assert run.clean() == []
    assert run.left() == []


def _lose_an_attempt(found: ScriptedFleet) -> None:
    found.attempts = 2


def _never_wake(found: ScriptedFleet) -> None:
    found.wakes = False


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (_lose_an_attempt, "the interruption cost an attempt at 160 tasks"),
        (_never_wake, "push did not wake the fleet"),
    ],
    ids=["attempt", "wake"],
)
def test_fault_of_the_fleet_is_found(run: TrialRun, plant: Callable[[ScriptedFleet], None], sentence: str) -> None:
    plant(run.fleet)
    wrong = run.run()
    assert len(wrong) == 1
    assert sentence in wrong[0]
    assert run.left() == []


def test_interruption_that_never_comes_is_found(run: TrialRun) -> None:
    run.reclaims = False
    wrong = run.run()
    assert len(wrong) == 1
    assert "was not interrupted after 600 s" in wrong[0]
    assert run.left() == []


def test_redrive_that_wakes_nobody_is_found(run: TrialRun) -> None:
    run.fleet.fails = at("client dlq redrive --run run2", partial(_never_wake, run.fleet))
    assert run.run() == ["the redrive did not wake the fleet"]
    assert run.left() == []


def test_time_limit_ends_the_trial(run: TrialRun) -> None:
    def wait() -> None:
        run.now += 3 * 3600 + 1

    run.fleet.fails = at("fleet publish --pool worker", wait)
    assert run.run(**{DOLLARS: "9"}) == ["the trial has taken 3.0 h, which is its limit: it ends here"]
    assert run.left() == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({FLAG: ""}, f"{FLAG}: it is not set. Nothing was done. To allow it: {FLAG}=123456789012"),
        ({FLAG: "111111111111"}, "but the credentials belong to account 123456789012 in us-east-1"),
        ({DOLLARS: "0.5"}, "limit of $0.50: the trial may cost $"),
        ({DOLLARS: "much"}, f"{DOLLARS} 'much': it is not a number above 0"),
        ({HOURS: "-1"}, f"{HOURS} '-1': it is not a number above 0"),
        ({HOURS: "inf"}, f"{HOURS} 'inf': it is not a number above 0"),
    ],
    ids=["consent", "account", "limit", "dollars", "hours", "infinite"],
)
def test_trial_that_must_not_run_makes_nothing(run: TrialRun, settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        run.run(**settings)
    assert run.fleet.lines == []
    assert run.left() == []


def test_cost_is_reported_before_anything_is_made(run: TrialRun) -> None:
    with pytest.raises(InvalidInput):
        run.run(**{FLAG: ""})
    assert re.search(r"a trial on account 123456789012 in us-east-1 costs at most \$\d\.\d\d: ", run.reports[0])
    assert "Not known: taxes" in run.reports[0]
