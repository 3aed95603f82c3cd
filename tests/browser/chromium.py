"""Chromium: one browser, and what it says of the pages that it showed."""

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
    "--no-sandbox",  # CI runs as root, where there is none; it shows our own pages only
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--hide-scrollbars",
]


class Heard(NamedTuple):
    """Addresses that pages asked for, in order, and what the console said: errors and broken policies."""

    asked: list[str]
    complaints: list[str]


class Chromium:
    """A browser for as long as the block lasts."""

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
        """Take a screen of so many CSS pixels, and the system's dark or light colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  (what JavaScript gives)
        """Run the body of an async function in the page; gives what it returns, as JSON can say it."""
        body = f"""
            const done = arguments[arguments.length - 1];
            (async (...given) => {{ {script} }})(...Array.prototype.slice.call(arguments, 0, -1))
                .then(value => done({{value}}), error => done({{error: String(error)}}));
        """
        answer = self._driver.execute_async_script(body, *arguments)
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def pixels(self, data_link: str) -> Pixels:
        """Those of a picture that a canvas gave as a ``data:`` link."""
        data = base64.b64decode(data_link.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def screenshot(self) -> Pixels:
        """What is on the screen."""
        return np.asarray(Image.open(io.BytesIO(self._driver.get_screenshot_as_png())).convert("RGB"))

    def heard(self) -> Heard:
        """Since this was asked last."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        complaints = [entry["message"] for entry in self._log("browser") if entry["level"] != "INFO"]
        return Heard([address for address in asked if not address.startswith("data:")], complaints)

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]  # selenium 4.51
        return found
