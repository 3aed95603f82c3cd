"""Runs ``async def`` tests under trio, on a virtual clock where the test asks for one; in CI, lets none be skipped.

No property is held to a time: a busy machine breaks none.
"""

import inspect
import os
import signal
from collections.abc import Generator
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, settings

MAY_SKIP: tuple[str, ...] = ("needs a real AWS account",)
"""How the reasons of those tests begin that may be skipped where ``CI`` is true. Any other skip is a failure there."""

# A shell's background job ignores SIGINT, and so would every program that a test starts from one, and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Over the profile that hypothesis chose, which in CI draws the same examples each time.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Virtual time that jumps to the next deadline whenever everybody waits."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end; leave the others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
    clocks = [value for value in pyfuncitem.funcargs.values() if isinstance(value, trio.testing.MockClock)]
    trio.run(partial(pyfuncitem.obj, **arguments), clock=clocks[0] if clocks else None)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test in CI: what a tier leaves out, nobody would miss there."""
    report = yield
    # An expected failure is reported as skipped too; it ran.
    if not hasattr(report, "wasxfail"):
        _fail_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips itself as a whole, likewise."""
    report = yield
    _fail_skip(report)
    return report


def _fail_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome != "skipped" or os.environ.get("CI", "").lower() != "true":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"{reason} (nothing may be skipped in CI)"
