"""Drives one Chromium and reads its logs."""

import base64
import io
import json
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.support.patience import PATIENCE
from tests.support.picture_corpus import Pixels

OPTIONS = [
    "--headless=new",
    "--no-sandbox",  # CI runs as root, where there is no sandbox; only our own pages are opened
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--hide-scrollbars",
]


class PageLog(NamedTuple):
    """Addresses that pages requested, in order, and the console's errors and policy violations."""

    requested: list[str]
    console_errors: list[str]


class Chromium:
    """A browser that runs until the end of the block."""

    def __init__(self, browser: str, driver: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for option in OPTIONS:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._driver = webdriver.Chrome(options, Service(driver))
        self._driver.set_page_load_timeout(PATIENCE)
        self._driver.set_script_timeout(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._driver.quit()

    def open(self, address: str) -> None:
        self._driver.get(address)

    def show_as(self, *, width: int, height: int, dark: bool) -> None:
        """Emulate a screen of that many CSS pixels, in the system's dark or light colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  (any JSON)
        """Run the body of an async function in the page, and return its result, as JSON allows."""
        body = f"""
            const done = arguments[arguments.length - 1];
            (async (...given) => {{ {script} }})(...Array.prototype.slice.call(arguments, 0, -1))
                .then(value => done({{value}}), error => done({{error: String(error)}}));
        """
        answer = self._driver.execute_async_script(body, *arguments)
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def pixels(self, data_link: str) -> Pixels:
        """Return the pixels of a picture that a canvas returned as a ``data:`` URL."""
        data = base64.b64decode(data_link.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def screenshot(self) -> Pixels:
        """Return the screen's pixels."""
        return np.asarray(Image.open(io.BytesIO(self._driver.get_screenshot_as_png())).convert("RGB"))

    def read_log(self) -> PageLog:
        """Return what was logged since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        requested = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        console_errors = [entry["message"] for entry in self._log("browser") if entry["level"] != "INFO"]
        return PageLog([address for address in requested if not address.startswith("data:")], console_errors)

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]  # selenium 4.51
        return found
