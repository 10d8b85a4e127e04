"""A real Chromium without a window, for looking at pages."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no Chromium with its driver here; install Debian's chromium and chromium-driver"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LIMIT_S = 60.0
"""For drawing a page's charts on a busy machine."""


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A selenium driver that records the console and the network. profile: a fresh folder."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def show(driver: Any, page: Path, *, width: int) -> None:
    """Load the page in a window `width` px wide and wait until its charts are drawn. Raises AssertionError."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    prefer(driver, "light")
    for log in ("performance", "browser"):
        driver.get_log(log)  # what came before is not this page's
    driver.get(page.as_uri())
    end = time.monotonic() + LIMIT_S
    while driver.execute_script("return document.documentElement.dataset.charts") != "drawn":
        assert time.monotonic() < end, driver.get_log("browser")
        time.sleep(0.05)


def prefer(driver: Any, scheme: str) -> None:
    """scheme: "light" or "dark", as a person has set it."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def requests(driver: Any) -> list[str]:
    """Addresses asked for since the page was loaded, pictures made of data: and the browser's own start page apart."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    found = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in found if not url.startswith(("data:", "chrome:", "chrome-untrusted:"))]
