"""The page of a session: every figure beside the study's, caveats, reasons, and no tag that a name could smuggle in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.benchmarks.report.blocks import Page, Section, Table, Text
from edgeneuro.benchmarks.report.html import html
from edgeneuro.benchmarks.report.markdown import markdown
from edgeneuro.benchmarks.report.v1.page import NAMES, v1_page, write_v1_report
from edgeneuro.v1.decoding.decoders import DECODERS
from edgeneuro.v1.report.records import Document, OtherLabels
from tests.benchmarks.report.browser import CHROMIUM, DRIVER, MISSING, chromium, requests, show
from tests.v1.small_reports import small_report

pytest.importorskip("plotly", reason="the extra 'report' is not installed")

HOSTILE = "<script>document.title='taken'</script><b>kind"


def page(**changes: Any) -> Page:
    made = small_report()
    return v1_page(dataclasses.replace(made.document, **changes), made.arrays)


def sections(made: Page) -> dict[str, Section]:
    return {section.name: section for part in made.parts for section in part.sections}


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def words(section: Section) -> str:
    return " ".join(line for block in section.blocks if isinstance(block, Text) for line in block.lines)


def cells(section: Section) -> str:
    return " ".join(cell for table in tables(section) for row in table.rows for cell in row)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fields", "11.4 ± 0.7 at rank 25"),
        ("order", "none found"),
        ("dimension", "118 (cosine, 9 neighbours)"),
        ("clusters", "nearly equal"),
        ("clusters", "better than with all neurons"),
        ("labels", "75.5 of 2,800 images"),
    ],
)
def test_the_studys_value_stands_beside_what_was_found(name: str, value: str) -> None:
    assert value in cells(sections(page())[name])


def test_the_studys_accuracies_stand_beside_the_leaky_ones() -> None:
    document = small_report().document
    forest = dataclasses.replace(document.decoding[0], decoder="forest", title=DECODERS["forest"].title)
    leaky = dataclasses.replace(document.leaky[0], decoder="forest")
    (table,) = tables(sections(page(decoding=(forest,), leaky=(leaky,)))["decoding"])
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert row["study, leaky"] == "16.47"
    assert row["leaky"].startswith(f"{100 * leaky.accuracy.value:.1f} [")
    assert row["honest"].startswith(f"{100 * forest.accuracy.value:.1f} [")


def test_a_merge_stands_beside_the_studys_merge() -> None:
    merged = OtherLabels(labels="mice-apart", found=small_report().document.decoding[0])
    assert "39.14 (forest)" in cells(sections(page(merged=(merged,)))["labels"])


def test_caveats_stand_where_the_numbers_are() -> None:
    found = sections(page())
    assert "Simulated data" in words(found["summary"])
    assert "neither its values here nor the study's 41 and 118 are verified numbers" in words(found["dimension"])
    assert "trials are divided one by one" in words(found["decoding"])
    real = dataclasses.replace(small_report().document.session, simulated=False)
    assert "Simulated data" not in words(sections(page(session=real))["summary"])


def test_what_was_not_run_is_listed_with_its_reason_where_it_would_stand() -> None:
    found = sections(page(fields=None, order=None, skipped={"fields": "it has no images", "order": "no positions"}))
    assert "Not run: it has no images." in words(found["fields"])
    assert "Not run: no positions." in words(found["order"])
    assert "Not run" not in words(found["clusters"])
    steps = {row[0]: row[2] for row in tables(found["steps"])[0].rows}
    assert (steps["fields"], steps["clusters"]) == ("it has no images", "")


def test_a_session_of_gratings_has_the_reference_of_its_readme() -> None:
    session = dataclasses.replace(small_report().document.session, name="mrcuts28_fov4")
    assert "README: 81 %" in words(sections(page(session=session))["decoding"])


def test_a_report_of_nothing_is_still_a_page() -> None:
    document = small_report().document
    empty = Document(
        session=document.session, settings=document.settings, skipped={"fields": "why"}, seconds={"fields": 0.0}
    )
    assert "why" in markdown(v1_page(empty, {}))


def test_three_files_are_written_and_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    made = small_report()
    first = write_v1_report(made.document, made.arrays, tmp_path / "a")
    second = write_v1_report(made.document, made.arrays, tmp_path / "b")
    assert tuple(path.name for path in first) == NAMES
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("selenium", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(MISSING)
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def test_in_a_browser_charts_are_drawn_nothing_is_fetched_and_names_stay_words(driver: Any, tmp_path: Path) -> None:
    classes = (HOSTILE, "kind 1", "kind 2")
    document = small_report().document
    hostile = {
        "session": dataclasses.replace(document.session, classes=classes),
        "decoding": (dataclasses.replace(document.decoding[0], classes=classes),),
    }
    path = tmp_path / "report.html"
    path.write_text(html(page(**hostile)), encoding="utf-8")
    for width in (1400, 360):
        show(driver, path, width=width)
        assert driver.get_log("browser") == []
        assert requests(driver) == [path.as_uri()]
        assert driver.title.startswith("edgeneuro v1")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    undrawn = "return [...document.querySelectorAll('.chart')].filter(c => !c.querySelector('svg.main-svg')).length"
    assert driver.execute_script(undrawn) == 0
    assert driver.execute_script("return document.querySelectorAll('.chart').length") > 8
