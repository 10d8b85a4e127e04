"""What the page says, in words and tables, for whole reports and for poor ones."""

from __future__ import annotations

import dataclasses
import itertools
from html.parser import HTMLParser
from typing import Any

import pytest

from edgeneuro.benchmarks.document import Comparison, Energy, Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Chart, Page, Picture, Table, Text
from edgeneuro.benchmarks.report.html import embedded, html
from edgeneuro.benchmarks.report.markdown import markdown
from edgeneuro.benchmarks.report.page import page
from edgeneuro.benchmarks.report.pareto_points import Point, distinct, front_of
from edgeneuro.benchmarks.report.ratios import grouped
from edgeneuro.manifest import Interval
from tests.benchmarks.documents import RESNET, STANET, sample_report

HOSTILE = "</script><script>alert(1)</script>|`*[x](y)\n# top.edge"


def section(made: Page, name: str) -> str:
    """All words of one section, charts' numbers included."""
    found: list[str] = []
    for part in made.parts:
        for one in part.sections:
            if one.name == name:
                for block in one.blocks:
                    found += words_of(block)
    assert found, f"no section {name}"
    return "\n".join(found)


def words_of(block: Block) -> list[str]:
    match block:
        case Text(lines=lines):
            return list(lines)
        case Table(caption=caption, head=head, rows=rows):
            return [caption, " | ".join(head), *(" | ".join(row) for row in rows)]
        case Chart(title=title, says=says, numbers=numbers):
            return [title, says, *words_of(numbers)]
        case Picture(title=title, says=says):
            return [title, says]


def with_rows(report: Report, **changes: Any) -> Report:
    """Every row with these fields."""
    return dataclasses.replace(report, rows=tuple(dataclasses.replace(row, **changes) for row in report.rows))


@pytest.fixture(scope="module")
def made() -> Page:
    return page([sample_report()])


def test_the_summary_begins_with_the_noise_and_tells_loss_speed_and_choice(made: Page) -> None:
    words = section(made, "summary")
    assert words.splitlines()[0].startswith(
        "Comparisons of this run hold. One row against itself took 1.001 [0.995, 1.007]"
    )
    assert "backend=auto takes int8 openvino: 0.80 times the time of int8 onnxruntime" in words
    assert "drop against float +0.48 [-1.57, +3.44] points: no loss shown, the interval ends at 3.44." in words
    assert "Inference takes 0.468 [0.463, 0.474] times that of float, fp32 onnxruntime: faster." in words
    assert (
        "times that of the fastest rival that is not shown to be less accurate, openvino-nncf (int8, openvino): no difference."
        in words
    )
    assert "0.2336 % of the dual-branch network's 34.9 G, inside the 0.25 % that Tan et al. 2024 claim" in words


def test_a_noisy_run_says_so_first() -> None:
    report = sample_report()
    quiet = dataclasses.replace(report.quiet, quiet=False, reasons=("Other processes used 31 % of the time.",))
    words = section(page([dataclasses.replace(report, quiet=quiet)]), "summary")
    assert words.startswith("No verdict on speed: the machine was too noisy.")
    assert words.splitlines()[1] == "Other processes used 31 % of the time."


def test_ratios_that_share_a_row_are_one_chart() -> None:
    ratio = sample_report().comparisons[0].ratio
    pairs = [("a", "f"), ("b", "f"), ("a", "r"), ("a", "s")]
    own = [Comparison(row=row, reference=reference, ratio=ratio, verdict="faster") for row, reference in pairs]
    assert grouped(own) == [(True, "f", own[:2]), (False, "a", own[2:])]


def test_confusion_matrices_are_of_this_projects_rows_and_equal_ones_are_shown_once(made: Page) -> None:
    charts = [chart for chart in made.charts() if chart.name.startswith("confusion-0")]
    assert [chart.title.partition(" of ")[2] for chart in charts] == ["fp32 onnxruntime", "int8 onnxruntime"]
    assert charts[1].says.endswith("The same to the frame: int8 openvino.")


def test_a_loss_that_the_data_show_is_called_one() -> None:
    report = sample_report()
    accuracy = report.row(f"{STANET}: int8 openvino").accuracy
    assert accuracy is not None
    lost = dataclasses.replace(accuracy, drop_points=Interval(value=3.0, low=1.0, high=5.0))
    words = section(page([with_rows(report, accuracy=lost)]), "summary")
    assert "+3.00 [+1.00, +5.00] points lost against float." in words


def test_an_engine_trained_on_simulation_is_marked() -> None:
    report = sample_report()
    engines = (dataclasses.replace(report.engines[0], flags=("simulated_training",)), *report.engines[1:])
    words = section(page([dataclasses.replace(report, engines=engines)]), "summary")
    assert f"{STANET}: trained on simulated data." in words


def test_what_was_not_measured_is_said_with_its_reason(made: Page) -> None:
    words = section(made, "resources")
    assert "Energy. Not measurable here: no RAPL, NVML or INA3221 counter is readable on this machine." in words
    assert "temperature | a virtual machine shows no sensor" in section(made, "missing")


def test_energy_is_shown_where_there_is_a_sensor() -> None:
    energy = Energy(source="RAPL package", joules=0.0812, watts=21.4, idle_watts=9.7)
    words = section(page([with_rows(sample_report(), energy=energy)]), "resources")
    assert "0.0812 | 21.4 | 9.70 | RAPL package" in words


def test_a_report_with_nothing_but_times_is_still_a_page() -> None:
    bare = with_rows(
        sample_report(comparisons=(), peaks=(), bandwidth_gb_s=None, not_measured={}),
        accuracy=None, layers=(), roofline=None, memory=None, soak=None, scenarios=(), timeline_ms=(), start_ms={},
        chosen=False, bytes=None,
    )  # fmt: skip
    made = page([bare])
    assert section(made, "subgroups") == "Not measured in this run."
    assert section(made, "resources").endswith("Not measured in this run; --soak SECONDS does.")
    assert list(made.charts()) == []
    assert "fp32 onnxruntime" in markdown(made)


def test_every_chart_has_a_name_of_its_own_words_and_numbers() -> None:
    charts = list(page([sample_report(), sample_report(device="board")]).charts())
    assert len({chart.name for chart in charts}) == len(charts) > 30
    for chart in charts:
        assert chart.title and chart.says.endswith(".")
        assert chart.numbers.rows
        assert {len(row) for row in chart.numbers.rows} == {len(chart.numbers.head)}


def test_every_figure_is_one_that_plotly_knows(made: Page) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for chart in made.charts():
        graph_objects.Figure(chart.figure)  # raises for a property or value that does not exist


def point(label: str, cost: float, accuracy: float, *, ours: bool = True, chosen: bool = False) -> Point:
    return Point(
        label=f"e: {label}",
        series="e",
        group="g",
        precision="int8",
        ours=ours,
        chosen=chosen,
        accuracy=Interval(value=accuracy, low=accuracy, high=accuracy),
        cost={"ms": (cost, None, None), "macs": (7.0, None, None)},
    )


def test_the_front_keeps_what_no_other_beats_in_both() -> None:
    fast, good, worse, equal = point("a", 1, 0.8), point("b", 2, 0.9), point("c", 2, 0.8), point("d", 1, 0.8)
    assert front_of([worse, good, fast, equal], "ms") == [fast, equal, good]


def test_rows_of_the_same_accuracy_and_cost_are_one_point_and_rivals_do_not_count_operations_again() -> None:
    points = [point("a", 1, 0.8), point("b", 2, 0.8, chosen=True), point("c", 3, 0.8, ours=False)]
    assert len(distinct(points, "ms")) == 3
    (one,) = distinct(points, "macs")
    assert one.label == "e: a, b"
    assert one.chosen


def test_the_line_of_the_claim_is_at_its_share_of_the_dual_branch_network(made: Page) -> None:
    (chart,) = (chart for chart in made.charts() if chart.name == "pareto-macs-0")
    lines = {shape["x0"] for shape in chart.figure["layout"]["shapes"]}
    assert lines == {34_856_764_416.0, 0.0025 * 34_856_764_416}
    words = {note["text"] for note in chart.figure["layout"]["annotations"]}
    assert words == {"0.25 % of it: 87.1 M", "dual-branch network: 34.9 G"}


def test_layers_above_the_limit_are_in_the_table_only() -> None:
    report = sample_report()
    chosen = report.row(f"{RESNET}: int8 openvino")
    many = tuple(dataclasses.replace(chosen.layers[0], name=f"layer {i}", ms=1.0 + i) for i in range(45))
    rows = tuple(dataclasses.replace(row, layers=many) if row.name == chosen.name else row for row in report.rows)
    charts = page([dataclasses.replace(report, rows=rows)]).charts()
    (chart,) = (chart for chart in charts if chart.title == f"{chosen.name}: time by layer")
    assert len(chart.figure["layout"]["yaxis"]["ticktext"]) == 30
    assert "15 faster layers" in chart.figure["layout"]["xaxis"]["title"]["text"]
    assert len(chart.numbers.rows) == 45


def test_several_devices_stand_beside_each_other_without_a_verdict_across_them() -> None:
    report = sample_report()
    engines = (dataclasses.replace(report.engines[0], sha256="ab" * 32), *report.engines[1:])
    board = sample_report(device="board", engines=engines)
    words = section(page([report, board]), "devices")
    assert "no verdict is drawn from them" in words
    assert f"{STANET} is not the same file everywhere: bench-x86 has sha256" in words
    assert RESNET not in words.split("Devices\n")[0]  # the same bytes everywhere
    assert "board | int8 openvino | 3.72" in words


class Outline(HTMLParser):
    """Tags, ids and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(made: Page) -> str:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    return html(made)


def test_the_file_holds_all_it_needs_and_forbids_the_network(text: str) -> None:
    outline = Outline(text)
    assert not [tag for tag, attributes in outline.tags if attributes.get("src")]
    assert [link["href"] for link in outline.all("link")] == ["data:,"]
    (policy,) = [meta["content"] for meta in outline.all("meta") if "http-equiv" in meta]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy and "unsafe-inline' " not in policy.split("style-src")[0]
    assert text.count("plotly.js v") == 1


def test_the_file_has_language_headings_in_order_and_links_that_lead_somewhere(text: str) -> None:
    outline = Outline(text)
    assert outline.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {link["href"] for link in outline.all("a")} <= {f"#{one}" for one in ids}
    levels = [int(tag[1]) for tag, _ in outline.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    charts = [attributes for _, attributes in outline.tags if attributes.get("role") == "img"]
    assert all(attributes["aria-labelledby"] in ids and attributes["aria-describedby"] in ids for attributes in charts)
    assert len(outline.all("details")) == len(charts) == len(outline.all("figure"))


def test_a_name_cannot_become_part_of_the_page() -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    report = sample_report(device=HOSTILE, command=HOSTILE, not_measured={HOSTILE: HOSTILE})
    rows = tuple(dataclasses.replace(row, notes=(HOSTILE,), flags=(HOSTILE,)) for row in report.rows)
    made = page([dataclasses.replace(report, rows=rows)])
    assert len(Outline(html(made)).all("script")) == 3
    lines = markdown(made).splitlines()
    assert not any(line.startswith("# top") for line in lines)
    assert "<script>" not in markdown(made).replace("\\<", "")
    widths = {line.replace("\\|", "").count("|") for line in lines if line.startswith("| ") and "alert" in line}
    assert widths == {3}  # tables of two columns keep two


def test_json_in_the_page_cannot_end_its_element() -> None:
    assert embedded({"a": "</script><!--\u2028"}) == '{"a":"\\u003c/script>\\u003c!--\\u2028"}'


def test_markdown_has_every_section_and_the_same_numbers(made: Page) -> None:
    text = markdown(made)
    for one in made.parts[0].sections:
        assert f"\n## {one.title}\n" in text
    assert "*Research software, not a medical device.*" in text
    assert "| int8 openvino (chosen) | 82.9 \\[74.9, 88.9\\] | +0.48 \\[-1.57, +3.44\\] |" in text
    assert "sha256" in text and sample_report().command in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_rows_with_only_inference_are_not_in_the_table_of_steps(made: Page) -> None:
    rows: list[Row] = [row for row in sample_report().rows if set(row.steps) == {"inference"}]
    assert rows
    steps = section(made, "latency").split(f"{STANET}: steps of a frame")[1].split(f"{STANET}: scenarios")[0]
    assert "pytorch" not in steps and "fp32 onnxruntime" in steps
