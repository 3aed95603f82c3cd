"""Puts the trial together: consent, estimate, limits, the notes, the steps, and taking all down whatever happens."""

import contextlib
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudkon.errors import CloudKonError, InvalidInput, InvalidSetting
from tests.aws.account_session import AccountSession, open_session
from tests.aws.clean_up import clean_up
from tests.aws.estimate import estimate
from tests.aws.journal import Trial, find_trials, open_journal
from tests.aws.limits import Limits
from tests.aws.meter import Meter
from tests.aws.program_run import Execute, execute
from tests.aws.real_fleet import RealFleet
from tests.aws.service_roles import absent_roles
from tests.aws.steps import run_steps

FLAG: Final = "CLOUDKON_REAL_AWS"
"""The account (twelve digits) on which money may be spent; the credentials must belong to it."""
NO_INTERRUPTIONS: Final = ("ap-northeast-3", "ap-southeast-3", "cn-north-1", "cn-northwest-1", "me-central-1")
"""EC2 User Guide, Initiate a Spot Instance interruption."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SLICE_SECONDS: Final = 15.0

Report = Callable[[str], None]
Sleep = Callable[[float], None]


def trial(
    environment: Mapping[str, str],
    report: Report,
    execute: Execute = execute,
    sleep: Sleep = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Run the trial; return what is wrong.

    Raises ``InvalidInput`` before anything is made: without consent, or if it may cost more than allowed.
    """
    session, limits = open_session(environment), Limits.from_environment(environment)
    expected = estimate(session.account.region, limits.hours)
    report(f"a trial on {session.account} costs {expected.text}")
    limits.check(expected)
    check_consent(environment, session)
    check_region(session.account.region)
    others = find_trials(session)
    if others:
        report(f"trials that were not cleaned up, or run now: {', '.join(one.fleet for one in others)}")
    name = f"trial-{secrets.token_hex(3)}"
    meter = Meter(limits, session.account.region, lambda: session.instances(name), clock)

    def pause(seconds: float) -> None:
        while True:
            meter.check()
            if seconds <= 0:
                return
            sleep(min(seconds, SLICE_SECONDS))
            seconds -= SLICE_SECONDS

    with tempfile.TemporaryDirectory(prefix="cloudkon-trial-") as directory, signals_end_the_trial():
        fleet = RealFleet(session, name, Path(directory), report, pause, execute)
        notes = Trial(name, session.account.region, tuple(absent_roles(session)))
        report(f"the fleet of this trial is {name}; what AWS answers is kept in {fleet.recording}")
        wrong: list[str] = []
        try:
            run_steps(fleet, open_journal(session, name, notes.absent))
        except (CloudKonError, BotoCoreError, ClientError) as error:
            wrong.append(str(error))
            report(f"the trial ends: {error}")
        finally:
            # From here on only kill -9 could leave anything running.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            fleet.pause = sleep
            left = clean_up(fleet, notes)
            report(f"about ${meter.dollars:.2f} in {meter.hours:.1f} h; what is left: {', '.join(left) or 'nothing'}")
    return [*wrong, *left]


def clean(
    environment: Mapping[str, str], report: Report, execute: Execute = execute, sleep: Sleep = time.sleep
) -> list[str]:
    """Take down what earlier trials left; return what is wrong. A trial that runs now is taken down as well."""
    session = open_session(environment)
    check_consent(environment, session)
    found = find_trials(session)
    if not found:
        report(f"no trial has left anything in account {session.account.number}")
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        for notes in found:
            report(f"taking down {notes.fleet} in {notes.region}")
            there = session.in_region(notes.region)
            fleet = RealFleet(there, notes.fleet, Path(directory) / notes.fleet, report, sleep, execute)
            fleet.is_up = True
            wrong += clean_up(fleet, notes)
    return wrong


def check_region(region: str) -> None:
    """Raise ``InvalidInput`` for a region without Spot interruptions by request."""
    if region in NO_INTERRUPTIONS:
        raise InvalidInput(f"region {region}", "AWS interrupts no Spot instance on request there", "Choose another one")


def check_consent(environment: Mapping[str, str], session: AccountSession) -> None:
    """Raise ``InvalidSetting`` unless the user named the account of the credentials."""
    wanted = environment.get(FLAG, "")
    if wanted != session.account.number:
        is_wrong = (
            f"it is {wanted!r:.60}, but the credentials belong to {session.account}" if wanted else "it is not set"
        )
        raise InvalidSetting(FLAG, f"{is_wrong}. Nothing was done", f"To allow it: {FLAG}={session.account.number}")


@contextlib.contextmanager
def signals_end_the_trial() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the trial as Ctrl-C does; restore all handlers afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        # Trio knows this handler, and keeps its own state whole.
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
