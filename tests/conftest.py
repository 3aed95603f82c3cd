"""Runs ``async def`` tests under trio, on a virtual clock where the test asks for one; in CI, fails skipped tests.

Hypothesis has no deadlines here, so that no property fails on a busy machine.
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

MAY_SKIP: tuple[str, ...] = ()
"""The beginnings of reasons for which a test may be skipped where ``CI`` is true. Any other skip is a failure there."""

# A shell's background job ignores SIGINT, and so does every program that it starts; tests interrupt such programs.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Based on the profile that hypothesis chose, which in CI draws the same examples each time.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """A virtual clock that jumps to the next deadline when all tasks wait."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test under trio; leave other tests to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}
    clocks = [value for value in pyfuncitem.funcargs.values() if isinstance(value, trio.testing.MockClock)]
    trio.run(partial(pyfuncitem.obj, **arguments), clock=clocks[0] if clocks else None)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test in CI, where nobody would notice the skip."""
    report = yield
    # An expected failure is also reported as skipped, but it ran.
    if not hasattr(report, "wasxfail"):
        _fail_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips itself in CI, for the same reason."""
    report = yield
    _fail_skip(report)
    return report


def _fail_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome != "skipped" or os.environ.get("CI", "").lower() != "true":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"{reason} (no test may be skipped in CI)"
