"""Pictures of frames in the page: embedded where the run made them, named where there is only its JSON."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeneuro.benchmarks.document import Pictured, PicturedFrame, Report
from edgeneuro.benchmarks.report.blocks import Picture, Text
from edgeneuro.benchmarks.report.html import data_url, html
from edgeneuro.benchmarks.report.markdown import markdown
from edgeneuro.benchmarks.report.page import page
from edgeneuro.benchmarks.report.pictures import ELSEWHERE, KEY, Pictures
from edgeneuro.benchmarks.report.read import read_report
from edgeneuro.benchmarks.report.write import write_report, write_reports
from edgeneuro.errors import InputError
from tests.benchmarks.documents import STANET, sample_report
from tests.benchmarks.report.browser import CHROMIUM, DRIVER, MISSING, chromium, requests, show
from tests.benchmarks.report.test_page import Outline, section

ROW = f"{STANET}: int8 onnxruntime"
HOSTILE = '"><script>document.title="taken"</script>.tif'


def png(width: int = 24, height: int = 16) -> bytes:
    return bytes(cv2.imencode(".png", np.full((height, width, 3), 90, np.uint8))[1])


def segmentation(*, volumes: bool = False, worst: str = "a/x.tif") -> tuple[Report, Pictures]:
    """The first engine is a segmentation of which three frames are shown."""
    report = sample_report()
    engines = (dataclasses.replace(report.engines[0], task="segmentation"), *report.engines[1:])
    frames = (
        PicturedFrame(rank="worst", source=worst, index=0, group="rat 1", dice=0.0, missed=1.0, false=None),
        PicturedFrame(rank="median", source="b.tif", index=2, group="rat 2", dice=0.5, missed=0.5, false=0.5),
        PicturedFrame(rank="best", source="c.tif", index=0, group="rat 3", dice=0.912, missed=0.1, false=0.0765),
    )
    pictured = (Pictured(row=ROW, volumes=volumes, scored=24, judged=89, frames=frames),)
    files: Pictures = {(ROW, frame.rank): (png(), png()) for frame in frames}
    return dataclasses.replace(report, engines=engines, pictured=pictured), files


def pictures_of(report: Report, files: Pictures) -> list[Picture]:
    (part,) = page([report], files).parts
    return [block for one in part.sections for block in one.blocks if isinstance(block, Picture)]


def words(report: Report) -> str:
    """Of the section, without its pictures."""
    return section(page([report]), "pictures")


def test_every_frame_is_a_picture_of_two_panels_whose_numbers_are_told_to_who_cannot_see_it() -> None:
    shown = pictures_of(*segmentation())
    assert [one.title for one in shown] == [
        "Worst: a/x.tif, Dice 0.0 %", "Median: b.tif, frame 2, Dice 50.0 %", "Best: c.tif, Dice 91.2 %"
    ]  # fmt: skip
    for one in shown:
        assert [panel.png for panel in one.panels] == [png(), png()]
        assert len({panel.alt for panel in one.panels}) == 2
        assert one.key[:2] == KEY and one.key[2][1] == "purple: found as another class"  # of three
    assert (
        shown[2]
        .panels[1]
        .alt.endswith("Dice 91.2 %, 10.0 % of what is labelled missed, 7.6 % of what was found false.")
    )


def test_of_two_classes_none_is_found_as_another() -> None:
    report, files = segmentation()
    rows = tuple(dataclasses.replace(row, accuracy=None) for row in report.rows)
    assert pictures_of(dataclasses.replace(report, rows=rows), files)[0].key == KEY


def test_a_volume_is_said_to_be_shown_by_its_largest_values() -> None:
    one = pictures_of(*segmentation(volumes=True))[0]
    assert "Largest value of all planes at every place" in one.says
    assert one.panels[0].alt.startswith("Largest values along depth of a/x.tif")
    assert one.key[2][1] == "purple: missed and false behind one another, or found as another class"


def test_the_table_says_which_frames_of_how_many_and_what_there_is_no_number_for() -> None:
    found = words(segmentation()[0])
    assert (
        "Worst, median and best by Dice of 24 frames, drawn by the run's seed from the 89 that rows are judged on."
        in found
    )
    assert "a/x.tif | worst | rat 1 | 0.0 | 100.0 | -" in found


def test_a_page_of_json_alone_says_that_pictures_are_not_in_it() -> None:
    report, files = segmentation()
    assert words(report).endswith(ELSEWHERE)
    (part,) = page([report], files).parts
    texts = [block for one in part.sections for block in one.blocks if isinstance(block, Text)]
    assert not any(ELSEWHERE in text.lines for text in texts)
    merged = page([report, sample_report(device="board")])
    assert ELSEWHERE in section(merged, "device-1-pictures")


def test_classifiers_have_no_such_section_and_a_segmentation_without_masks_says_why() -> None:
    names = [one.name for one in page([sample_report()]).parts[0].sections]
    assert "pictures" not in names
    bare = dataclasses.replace(segmentation()[0], pictured=())
    assert words(bare).endswith("Not measured in this run; --report with --data that has masks does.")
    why = dataclasses.replace(bare, not_measured={f"{STANET}: pictures": "x.tif: is gone"})
    assert words(why).endswith("Not measurable here: x.tif: is gone.")


def test_the_file_holds_the_pictures_and_markdown_names_them() -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    report, files = segmentation(worst=HOSTILE)
    made = page([report], files)
    outline = Outline(html(made))
    images = outline.all("img")
    assert len(images) == 6 and all(str(image["src"]).startswith("data:image/png;base64,iVBOR") for image in images)
    assert HOSTILE in str(images[0]["alt"])
    assert len(outline.all("script")) == 3
    assert "**Best: c.tif, Dice 91.2 %** (shown in report.html)" in markdown(made)
    assert "<script>" not in markdown(made).replace("\\<", "")


def test_report_json_keeps_names_and_dice_and_is_read_back_without_pixels(tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    report, files = segmentation()
    first = write_report(report, tmp_path / "run", pictures=files)
    assert read_report(first[0]) == report
    pixels = data_url(png())
    assert first[2].read_text().count(pixels) == 6
    assert pixels not in first[0].read_text() + first[1].read_text()
    again = write_reports([read_report(first[0])], tmp_path / "elsewhere")
    assert again[0].read_bytes() == first[0].read_bytes()
    assert pixels not in again[2].read_text() and ELSEWHERE in again[2].read_text()


def test_pictures_of_a_row_that_is_not_there_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    report, _ = segmentation()
    path = write_report(report, tmp_path)[0]
    path.write_text(path.read_text().replace(f'"row": "{ROW}",\n      "scored"', '"row": "other",\n      "scored"'))
    with pytest.raises(InputError, match="row of the pictures: got 'other'"):
        read_report(path)


@pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason=MISSING)
@pytest.mark.parametrize("width", [1400, 360])
def test_pictures_are_drawn_from_the_page_itself_and_fit_the_window(width: int, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    pytest.importorskip("selenium", reason="selenium is not installed")
    path = tmp_path / "report.html"
    path.write_text(html(page(*_alone(*segmentation(worst=HOSTILE)))), encoding="utf-8")
    with chromium(tmp_path / "profile") as driver:
        show(driver, path, width=width)
        assert driver.get_log("browser") == []
        assert requests(driver) == [path.as_uri()]
        natural = "return [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight])"
        assert driver.execute_script(natural) == [[True, 24, 16]] * 6
        tops = driver.execute_script(
            "return [...document.querySelectorAll('.panels')].map(p => [...p.children].map(i => i.offsetTop))"
        )
        assert all((left == right) == (width > 1000) for left, right in tops)  # beside each other where there is room
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        swatch = "return getComputedStyle(document.querySelector('.key span')).backgroundColor"
        assert driver.execute_script(swatch) == "rgb(230, 159, 0)"


def _alone(report: Report, files: Pictures) -> tuple[Any, Pictures]:
    """Without rows' charts, which take long to draw."""
    rows = tuple(
        dataclasses.replace(row, layers=(), timeline_ms=(), accuracy=None, soak=None, roofline=None)
        for row in report.rows
    )
    return [dataclasses.replace(report, rows=rows)], files
