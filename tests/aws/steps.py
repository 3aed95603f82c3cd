"""What the trial does with the fleet, step by step. Each raises ``TrialFailed`` if the fleet does otherwise."""

import json
from collections.abc import Callable
from typing import Any, Final

from cloudkon.errors import EXIT_FAILED, EXIT_OK
from cloudkon.model import WORKER
from fleet.aws.policies.catalogue import FILES_OF
from tests.aws.interruption import interrupt
from tests.aws.real_fleet import CLIENT, DELETE_DATA, RealFleet, TrialFailed

POOL: Final = WORKER.name
TASKS: Final = 200
PER_WORKER: Final = 50
SETTLE_SECONDS: Final = 30.0
"""How long IAM is given to spread new roles and policies (IAM User Guide, troubleshooting: changes are not always
immediately visible)."""
INTERRUPTED_TASKS: Final = 160
"""They take four workers thirteen minutes: longer than an interruption and a new instance."""
INTERRUPTED_MILLISECONDS: Final = 20_000
"""Less than a worker may take to stop, so that a warned worker loses nothing."""
ZERO_SECONDS: Final = 3600.0
"""How long the fleet may take from the last task to no instance."""
START_SECONDS: Final = 1200.0
END_SECONDS: Final = 600.0
POLL_SECONDS: Final = 1
"""A long poll, however short, asks all of SQS's servers."""
QUIET_SECONDS: Final = 180.0
"""How long the alarm that wakes the fleet may remember messages that are gone."""


def expect(condition: object, text: str) -> None:
    """Raise ``TrialFailed`` unless the condition holds."""
    if not condition:
        raise TrialFailed(text)


def run_steps(fleet: RealFleet, experiment_role: str) -> None:
    """Run the whole trial on an account in which only the notes exist."""
    make_roles(fleet)
    bring_up(fleet)
    scale_and_drain(fleet)
    wait_for_zero(fleet)
    interrupt_a_run(fleet, experiment_role)
    redrive_at_zero(fleet)
    take_down(fleet)


def make_roles(fleet: RealFleet) -> None:
    """Create a role a verb from what ``fleet policy`` prints."""
    options = {verb: (verb,) for verb in FILES_OF} | {DELETE_DATA: ("down", "--delete-data")}
    for role, words in options.items():
        printed = json.loads(fleet.run_as_user("fleet", "policy", *words, "--json", seconds=300))
        fleet.roles.make(role, [one["document"] for one in printed["policies"]])
    fleet.pause(SETTLE_SECONDS)


def bring_up(fleet: RealFleet) -> None:
    """From nothing to a fleet with the workers' image."""
    preview = fleet.run("fleet", "up", "--dry-run")
    expect(f"{fleet.name}-compute" in preview, "the preview names no compute stack")
    fleet.up()
    fleet.up()  # a second one changes nothing and succeeds
    for verb in ("build", "publish", "deploy"):
        fleet.run("fleet", verb, "--pool", POOL)


def scale_and_drain(fleet: RealFleet) -> None:
    """Two workers, then one in the middle of a run; no task fails."""
    fleet.run("fleet", "scale", "2")
    expect(fleet.status()["instances"]["registered"] >= 1, "no instance has registered with the cluster")
    run = push(fleet, ["sleep 1000"] * TASKS)
    fleet.run("fleet", "scale", "1")
    expect_all_succeeded(fleet, run, TASKS)
    expect("started" in fleet.run("fleet", "logs", "--pool", POOL), "the workers' log has no start")


def wait_for_zero(fleet: RealFleet) -> None:
    """Autoscaling takes an idle fleet to no worker and no instance."""
    fleet.run("fleet", "autoscale", "--max", "4", "--per-worker", str(PER_WORKER))

    def reached(status: dict[str, Any]) -> bool:
        pool = status["pools"][POOL]
        return not (pool["desired"] or pool["running"] or status["instances"]["running"])

    fleet.wait_until(reached, "the fleet is not at zero", ZERO_SECONDS)


def interrupt_a_run(fleet: RealFleet, experiment_role: str) -> None:
    """A push wakes the fleet on Spot instances; one of them is interrupted, and no task loses an attempt."""
    fleet.up("--spot", "100")
    run = push(fleet, [f"sleep {INTERRUPTED_MILLISECONDS}"] * INTERRUPTED_TASKS)
    expect(fleet.status()["pools"][POOL]["desired"] >= 1, "push did not wake the fleet")
    _wait_for_first_results(fleet, run)
    instances = fleet.session.instances(fleet.name)
    expect(instances and all(one.spot for one in instances), f"these are not all Spot instances: {instances}")
    chosen = next((one.id for one in instances if one.state == "running"), "")
    expect(chosen, f"no instance runs: {instances}")
    fleet.report(f"interrupting {chosen} by AWS Fault Injection Service")
    interrupt(fleet.session, fleet.name, experiment_role, chosen, fleet.pause)
    _wait(fleet, lambda: _has_ended(fleet, chosen), f"{chosen} was not interrupted", END_SECONDS)
    expect_all_succeeded(fleet, run, INTERRUPTED_TASKS)
    results = [json.loads(line) for line in fleet.run("client", "results", run, "--json").splitlines()]
    lost = [one["task"] for one in results if one["attempts"] != 1]
    expect(not lost, f"the interruption cost an attempt at {len(lost)} tasks: {', '.join(lost[:5])}")


def redrive_at_zero(fleet: RealFleet) -> None:
    """SQS itself makes a dead letter of a message at no worker; sending it again wakes the fleet."""
    fleet.run("fleet", "scale", "0")
    fleet.wait_until(lambda status: status["pools"][POOL]["running"] == 0, "a worker still runs", END_SECONDS)
    run = push(fleet, ["sleep 1000"] * 10, "--chunk", "10")
    exhaust_receives(fleet)
    fleet.wait_until(
        lambda status: status["pools"][POOL]["dead_letters"] == 1, "the message is no dead letter", END_SECONDS
    )
    fleet.pause(QUIET_SECONDS)
    fleet.run("fleet", "autoscale", "--max", "4", "--per-worker", str(PER_WORKER))
    desired = fleet.status()["pools"][POOL]["desired"]
    expect(desired == 0, f"{desired} workers were wanted before the redrive")
    fleet.run("client", "dlq", "redrive", "--run", run)
    expect(fleet.status()["pools"][POOL]["desired"] >= 1, "the redrive did not wake the fleet")
    expect_all_succeeded(fleet, run, 10)


def take_down(fleet: RealFleet) -> None:
    """First without the data, then with it."""
    fleet.run("fleet", "down", "--yes")
    fleet.run("fleet", "down", "--delete-data", "--yes")
    fleet.is_up = False


def push(fleet: RealFleet, instructions: list[str], *options: str) -> str:
    """Push instructions; return the run."""
    workload = fleet.directory / "workload.txt"
    workload.write_text("\n".join([*instructions, ""]), encoding="utf-8")
    return str(json.loads(fleet.run("client", "push", str(workload), "--json", *options))["run"])


def expect_all_succeeded(fleet: RealFleet, run: str, tasks: int) -> None:
    """Wait for a run's end."""
    counts = json.loads(fleet.run("client", "check", run, "--wait", "--json", codes=(EXIT_OK, EXIT_FAILED)))
    expect(counts["succeeded"] == tasks, f"not all {tasks} tasks of run {run} succeeded: {counts}")


def exhaust_receives(fleet: RealFleet) -> None:
    """Receive the one message on the workers' queue until SQS gives it up, as the client's user may."""
    sqs = fleet.session.with_keys(fleet.roles.assume(CLIENT)).client("sqs")
    url = sqs.get_queue_url(QueueName=WORKER.queue_name(fleet.name))["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    most = int(json.loads(asked["RedrivePolicy"])["maxReceiveCount"])
    received = 0
    # One more receive moves it.
    for _ in range(3 * most):
        answer = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=POLL_SECONDS)
        received += len(answer.get("Messages", ()))
        if received >= most and not answer.get("Messages"):
            return
        fleet.pause(0.0)
    raise TrialFailed(f"after {received} receives SQS still delivers the message")


def _wait_for_first_results(fleet: RealFleet, run: str) -> None:
    def ended() -> bool:
        counts = json.loads(fleet.run("client", "check", run, "--json", codes=(EXIT_OK, EXIT_FAILED)))
        return bool(counts["succeeded"])

    _wait(fleet, ended, f"run {run} has no result", START_SECONDS)


def _has_ended(fleet: RealFleet, instance: str) -> bool:
    return all(one.state == "shutting-down" for one in fleet.session.instances(fleet.name) if one.id == instance)


def _wait(fleet: RealFleet, reached: Callable[[], bool], what: str, seconds: float) -> None:
    waited = 0.0
    while not reached():
        expect(waited < seconds, f"{what} after {seconds:.0f} s")
        fleet.pause(10.0)
        waited += 10.0
