"""Starts headless Chromium, driven through ChromeDriver; it loads pages from loopback.

This needs the programs ``chromium`` and ``chromedriver`` (Debian: chromium, chromium-driver). Without them the tests
are skipped; where ``CI`` is true, they fail.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium
from tests.support.emulator import missing
from tests.support.web import Web


@pytest.fixture(scope="session")
def started() -> Iterator[Chromium]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        missing("no chromium and chromedriver on PATH; on Debian: apt install chromium chromium-driver")
    with Chromium(browser, driver) as chromium:
        yield chromium


@pytest.fixture
def chromium(started: Chromium) -> Chromium:
    """The browser, as wide as a laptop, in light colours, with an empty log."""
    started.show_as(width=1280, height=800, dark=False)
    started.read_log()
    return started


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server
