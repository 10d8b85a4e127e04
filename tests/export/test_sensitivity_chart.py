"""The bar chart says what the report says."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from edgeneuro.export.sensitivity import Layer, SensitivityReport, Together
from edgeneuro.export.sensitivity_chart import FOUND, MOST_BARS, OTHER, bars, chart

NAMESPACE = "{http://www.w3.org/2000/svg}"
REPORT = SensitivityReport(
    form="tensorrt",
    emulated=True,
    layers=4,
    frames=8,
    evaluations=9,
    error=0.12,
    additivity=1.0,
    found=("conv_b",),
    complete=True,
    cancels=False,
    keep_float=("conv_b",),
    error_kept=0.03,
    rows=(
        Layer(node="conv_b", operator="Conv", error=0.1, error_without=0.03),
        Layer(node="conv_a", operator="Conv", error=0.01),
    ),
    together=(Together(nodes=("add", "pool"), error=0.02),),
    ranking=("conv_b", "add", "pool", "conv_a"),
)


def drawn(report: SensitivityReport, title: str = "net") -> ElementTree.Element:
    return ElementTree.fromstring(chart(report, title))


def texts(picture: ElementTree.Element) -> list[str]:
    return [item.text or "" for item in picture.iter(f"{NAMESPACE}text")]


def lengths(picture: ElementTree.Element) -> list[tuple[float, str]]:
    rects = [item.attrib for item in picture.iter(f"{NAMESPACE}rect")]
    return [(float(rect["width"]), rect["fill"]) for rect in rects if rect["fill"] in (FOUND, OTHER)]


def test_bars_are_as_long_as_the_errors_and_the_found_layer_has_its_colour() -> None:
    assert [bar.percent for bar in bars(REPORT)] == pytest.approx([10.0, 2.0, 1.0])
    (found, first), (second, other), (third, _) = lengths(drawn(REPORT))
    assert (first, other) == (FOUND, OTHER)
    assert found == pytest.approx(5 * second, abs=0.5)
    assert second == pytest.approx(2 * third, abs=0.5)


def test_names_numbers_and_the_whole_are_written() -> None:
    said = texts(drawn(REPORT))
    for words in ("conv_b (Conv)", "2 layers, add to pool", "conv_a (Conv)", "all in INT8", "10"):
        assert words in said
    assert "tensorrt, emulated; all 4 layers in INT8: 12 %; 3 % with the first 1 back in float" in said


def test_names_that_are_markup_stay_text() -> None:
    report = replace(REPORT, rows=(Layer(node="<a&b>", operator="Conv", error=0.1),), together=())
    picture = drawn(report, title="<script>")
    assert "<a&b> (Conv)" in texts(picture)
    assert any("<script>" in said for said in texts(picture))


def test_long_names_keep_both_ends_and_stand_in_full_in_the_tip() -> None:
    name = "/encoder/layer_1/attention/self/query/projection/MatMul_quantised_7"
    report = replace(REPORT, rows=(Layer(node=name, operator="MatMul", error=0.1),), together=())
    picture = drawn(report)
    shown = next(said for said in texts(picture) if "…" in said)
    assert name.startswith(shown.partition("…")[0])
    assert any((item.text or "").startswith(name) for item in picture.iter(f"{NAMESPACE}title"))


def test_what_does_not_fit_is_counted() -> None:
    rows = tuple(Layer(node=f"conv_{i}", operator="Conv", error=1 / (i + 1)) for i in range(MOST_BARS + 7))
    picture = drawn(replace(REPORT, rows=rows, together=()))
    assert len(lengths(picture)) == MOST_BARS
    assert "and 7 smaller" in texts(picture)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-3, 0.37, 1.0, 42.0])
def test_every_size_of_error_stays_inside_the_picture(scale: float) -> None:
    report = replace(
        REPORT,
        error=1.2 * scale,
        rows=(Layer(node="conv", operator="Conv", error=scale),),
        together=(),
    )
    picture = drawn(report)
    right = float(picture.attrib["width"])
    for item in picture.iter():
        for key in ("x", "x1", "x2"):
            assert 0.0 <= float(item.attrib.get(key, 0.0)) <= right
