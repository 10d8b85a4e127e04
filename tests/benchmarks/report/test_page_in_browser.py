"""report.html in a real Chromium: charts drawn, nothing fetched, readable on a phone, usable from the keyboard, printable."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.benchmarks.document import Report
from edgeneuro.benchmarks.report.html import html
from edgeneuro.benchmarks.report.page import page
from tests.benchmarks.documents import sample_report
from tests.benchmarks.report.browser import CHROMIUM, DRIVER, MISSING, chromium, prefer, requests, show

pytest.importorskip("plotly", reason="the extra 'report' is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason=MISSING)

HOSTILE = "<script>document.title='taken'</script><b>x.edge"
WIDE, PHONE = 1400, 360


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def hostile(report: Report) -> Report:
    """The first engine has a name that would be a tag."""
    first = report.engines[0].name
    return dataclasses.replace(
        report,
        engines=(dataclasses.replace(report.engines[0], name=HOSTILE), *report.engines[1:]),
        rows=tuple(dataclasses.replace(row, engine=HOSTILE) if row.engine == first else row for row in report.rows),
    )


def one_engine(report: Report) -> Report:
    """The first engine alone."""
    rows = tuple(row for row in report.rows if row.engine == report.engines[0].name)
    names = {row.name for row in rows}
    comparisons = tuple(one for one in report.comparisons if one.row in names)
    return dataclasses.replace(report, engines=report.engines[:1], rows=rows, comparisons=comparisons)


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What the browser said while it loaded and drew a page."""

    page: Path
    console: list[Any]
    requests: list[str]


@pytest.fixture(scope="module")
def loaded(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A page of one device, open in a wide window; tests leave it as they find it."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html(page([hostile(sample_report())])), encoding="utf-8")
    show(driver, path, width=WIDE)
    return Loaded(page=path, console=driver.get_log("browser"), requests=requests(driver))


def test_every_chart_is_drawn_and_the_console_stays_empty(driver: Any, loaded: Loaded) -> None:
    undrawn = (
        "return [...document.querySelectorAll('.chart')].filter(c => !c.querySelector('svg.main-svg')).map(c => c.id)"
    )
    assert driver.execute_script(undrawn) == []
    assert driver.execute_script("return document.querySelectorAll('.chart').length") > 15
    assert loaded.console == []


def test_nothing_but_the_file_itself_is_asked_for(loaded: Loaded) -> None:
    assert loaded.requests == [loaded.page.as_uri()]


def test_the_page_itself_may_not_use_the_network(driver: Any, loaded: Loaded) -> None:
    asked = """
        const done = arguments[0];
        document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
        fetch("http://localhost:9/").catch(() => undefined);
    """
    assert driver.execute_async_script(asked) == "connect-src"


def test_a_name_that_would_be_a_tag_is_shown_as_it_is(driver: Any, loaded: Loaded) -> None:
    assert "taken" not in driver.title
    assert driver.execute_script("return document.querySelector('h3').textContent") == HOSTILE
    labels = driver.execute_script("return [...document.querySelectorAll('.legendtext')].map(t => t.textContent)")
    assert any(label.startswith("<script>") for label in labels)


def test_the_keyboard_reaches_the_content_and_opens_the_numbers(driver: Any, loaded: Loaded) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert driver.switch_to.active_element.get_attribute("class") == "skip"
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    for _ in range(20):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        if driver.switch_to.active_element.tag_name == "summary":
            break
    summary = driver.switch_to.active_element
    assert summary.tag_name == "summary"
    assert driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", summary) == "solid"
    summary.send_keys(Keys.ENTER)
    assert driver.execute_script("return arguments[0].parentElement.open", summary)
    summary.send_keys(Keys.ENTER)


def test_words_in_charts_follow_the_colour_scheme(driver: Any, loaded: Loaded) -> None:
    inks = []
    for scheme in ("dark", "light"):
        prefer(driver, scheme)
        inks.append(driver.execute_script("return getComputedStyle(document.querySelector('.xtick text')).fill"))
    assert inks[0] != inks[1] == "rgb(27, 31, 36)"


def test_printing_opens_what_is_folded_and_closes_it_again(driver: Any, loaded: Loaded) -> None:
    folded = "return document.querySelectorAll('details:not([open])').length"
    before = driver.execute_script(folded)
    driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert driver.execute_script(folded) == 0
    driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert driver.execute_script(folded) == before > 15
    done = driver.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    assert base64.b64decode(done["data"]).startswith(b"%PDF")


def test_several_devices_fit_a_phone(driver: Any, tmp_path: Path) -> None:
    """Last: it leaves the page that the others look at."""
    path = tmp_path / "merged.html"
    report = one_engine(sample_report())
    path.write_text(html(page([report, dataclasses.replace(report, device="board")])), encoding="utf-8")
    show(driver, path, width=PHONE)
    assert driver.get_log("browser") == []
    driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    outside = """
        return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1
            && !e.closest(".scroll") && !e.closest(".chart")).map(e => e.outerHTML.slice(0, 80))
    """
    assert driver.execute_script(outside) == []
    assert driver.execute_script("return document.documentElement.scrollWidth") == PHONE
    scrolls = "return [...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)"
    assert driver.execute_script(scrolls)
