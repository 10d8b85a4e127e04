"""Numbers as people read them."""

from __future__ import annotations

import pytest

from edgeneuro.benchmarks.document import Quantile
from edgeneuro.benchmarks.report.style import log_axis, shortened, text
from edgeneuro.benchmarks.report.words import amount, listed, number, points, quantile, size
from edgeneuro.manifest import Interval


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (0.001234, "0.00123"),
        (4.567, "4.57"),
        (1234.5, "1,230"),
        (9.996, "10.0"),
        (None, "-"),
        (-0.5, "-0.500"),
    ],
)
def test_a_number_has_three_digits_and_no_exponent(value: float | None, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(81_435_648, "81.4 M"), (34_856_764_416, "34.9 G"), (999_600, "1.00 M"), (999, "999"), (None, "-")],
)
def test_an_amount_has_its_letter(value: float | None, said: str) -> None:
    assert amount(value) == said


def test_bytes_have_their_unit() -> None:
    assert (size(512), size(3_700_978), size(None)) == ("512 B", "3.70 MB", "-")


def test_a_zero_has_no_minus() -> None:
    assert points(Interval(value=-0.001, low=-1.0, high=1.0)) == "+0.00 [-1.00, +1.00]"


def test_a_side_that_is_not_bounded_is_a_question_mark() -> None:
    found = Quantile(percentile=99.9, ms=4.0, low=3.9, high=None, claim_ms=None)
    assert quantile(found) == "4.00 [3.90, ?]"


def test_names_are_listed_as_in_a_sentence() -> None:
    assert (listed([]), listed("a"), listed("ab"), listed("abc")) == ("", "a", "a and b", "a, b and c")


def test_a_long_name_keeps_its_ends() -> None:
    assert shortened("block1/branch0/conv", 11) == "block…/conv"
    assert shortened("short", 11) == "short"


def test_a_tag_in_a_label_is_text_to_plotly() -> None:
    assert text("<b>&x") == "&lt;b&gt;&amp;x"


def test_a_logarithmic_axis_has_round_labels_inside_its_range() -> None:
    wide = log_axis("MACs", [8e7, 3.5e10], letters=True)
    assert wide["ticktext"] == ["100 M", "1 G", "10 G"]
    narrow = log_axis("ms", [3.0, 55.0])
    assert narrow["ticktext"] == ["5", "10", "20", "50"]
    assert log_axis("ms", [5.0, 5.0])["ticktext"] == ["5"]
