"""Every signal has a name for people, real-time signals too."""

import signal
import sys

import pytest

from cloudkon.signal_names import signal_name


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (200, "signal 200")])
def test_signal_has_its_name_or_its_number(number: int, name: str) -> None:
    assert signal_name(number) == name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has real-time signals")
@pytest.mark.parametrize(
    ("number", "name"), [(33, "signal 33"), (34, "SIGRTMIN"), (40, "SIGRTMIN+6"), (64, "SIGRTMAX")]
)
def test_real_time_signal_is_named_as_kill_names_it(number: int, name: str) -> None:
    assert signal_name(number) == name
