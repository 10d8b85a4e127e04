"""SWC text: both dialects, and what is refused by line."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.data.swc_table import parse_swc
from edgeneuro.errors import FrameError


def test_columns_come_back_with_rows_in_the_place_of_ids() -> None:
    table = parse_swc(
        b"# soma first\n\n10 1 0 0 0 5 -1\n  20 3 1.5 -2 3e1 0.5 10  # a dendrite\r\n30 2 4 5 6 1 20\n", "a.swc"
    )
    np.testing.assert_array_equal(table.points, [[0, 0, 0], [1.5, -2, 30], [4, 5, 6]])
    np.testing.assert_array_equal(table.radii, [5, 0.5, 1])
    assert table.types.tolist() == [1, 3, 2]
    assert table.parents.tolist() == [-1, 0, 1]
    assert table.lines.tolist() == [3, 4, 5]


def test_children_written_before_their_parents_come_after_them() -> None:
    table = parse_swc(b"3 3 0 20 0 1 2\n2 3 0 10 0 1 1\n1 1 0 0 0 5 -1\n", "a.swc")
    assert table.points[:, 1].tolist() == [0, 10, 20]
    assert table.parents.tolist() == [-1, 0, 1]
    assert table.lines.tolist() == [3, 2, 1]


def test_the_second_dialect_gives_the_same_tree_as_the_first() -> None:
    second = (
        b"# data format: ['id', 'P', 'type', 'parent', 'width', 'branch_level', 'path_length', 'degree']\n"
        b" 0 [0.0, 0.0, 0.0] 1 -1 7.5 0 0.0 0.0\n 1 [6.5,3.0,-1.0] 4 2 1.0 -1 9.0 0.0\n 2 [1.0, 2.0, 0.5] 4 0 1.5 1 2.3 71.1\n"
    )
    first = b"0 1 0 0 0 7.5 -1\n1 4 6.5 3 -1 1 2\n2 4 1 2 .5 1.5 0\n"
    one, other = parse_swc(first, "a.swc"), parse_swc(second, "a.swc")
    for column in ("points", "radii", "types", "parents"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
    assert other.radii.tolist() == [7.5, 1.5, 1.0]  # the width is the radius


def test_a_radius_below_zero_is_unknown_as_one_of_zero_is() -> None:
    assert parse_swc(b"1 1 0 0 0 5 -1\n2 3 0 1 0 -1 1\n3 3 0 2 0 0 2\n", "a.swc").radii.tolist() == [5, 0, 0]


SOMA = "1 1 0 0 0 5 -1"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([SOMA, "2 3 0 nan 0 1 1"], "line 2 has y nan, expected at most 1,000,000 um either way"),
        ([SOMA, "2 3 -inf 0 0 1 1"], "line 2 has x -inf"),
        ([SOMA, "2 3 0 0 1e7 1 1", "3 3 0 0 2e7 1 2"], r"line 2 has z 1e\+07, expected at most .* 2 such lines"),
        ([SOMA, "2 3 0 0 1 nan 1"], "line 2 has radius nan"),
        (
            [SOMA, "2 3 0 0 2e5 1 1", *(f"{n} 3 0 0 {n % 2 * 2e5} 1 {n - 1}" for n in range(3, 60))],
            "its neurites are 11.4 m long in all .200,000 um from line 1 to line 2., expected at most 10 m; are its coord",
        ),
        ([SOMA, "2 3.5 0 0 1 1 1"], "line 2 has type 3.5, expected a whole number"),
        ([SOMA, "2 3 0 0 1 1 nan"], "line 2 has parent nan, expected a whole number"),
        ([SOMA, "1e99 3 0 0 1 1 1"], r"line 2 has id 1e\+99, expected a whole number"),
        ([SOMA, "-2 3 0 0 1 1 1"], "line 2 has id -2, expected a number from 0"),
        ([SOMA, "2 3 0 0 1 1 7", "3 3 0 0 2 1 8"], r"line 2 has parent 7, which no line defines \(2 such nodes\)"),
        ([SOMA, "# more", "1 3 0 0 1 1 1"], "lines 1 and 3 both have id 1, expected each once"),
        ([SOMA, "2 3 0 0 1 1 2"], "line 2 is its own parent, expected a tree"),
        ([SOMA, "2 3 0 0 1 1 4", "3 3 0 0 2 1 2", "4 3 0 0 3 1 3"], "lines 2, 3, 4 are a cycle of 3 nodes"),
        ([SOMA, "2 3 0 0 1 1 3", "3 3 0 0 2 1 4", "4 3 0 0 3 1 3"], "lines 3, 4 are a cycle of 2 nodes"),
        ([SOMA, "2 3 0 0 1 1 1", "3 1 0 0 2 1 2"], r"line 3 is of the soma \(type 1\) below a node that is not"),
        (
            [SOMA, "2 3 0 0 1 1 1", "3 1 9 9 9 5 -1"],
            "holds 2 somata, which begin at lines 1, 3; keep one neuron a file",
        ),
        ([SOMA], "holds 1 node, expected a tree of at least 2"),
        (["# nothing"], "holds 0 nodes"),
        ([SOMA, "2 3 0 0 1 1"], "is not SWC, line 2 is '2 3 0 0 1 1'; expected lines of id type x y z radius parent"),
        (["1,1,0,0,0,5,-1"], "is not SWC, line 1"),
        ([SOMA, "2 3 0,5 1,5 0,5 1,0 1"], "is not SWC, line 2"),
        ([SOMA, "2 [0, 1] 3 1 1 0 0 0"], "is not SWC, line 2"),
        ([SOMA, "2 [0, 1, 2 3 1 1 0 0 0"], "is not SWC, line 2"),
        (["<html>" + "x" * 100], "is not SWC, line 1 is '<html>x{51}[.]{3}'"),
        (["\0\0"], "is not SWC, it holds bytes of 0"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_line(lines: list[str], words: str) -> None:
    with pytest.raises(FrameError, match=f"^cell.swc: {words}"):
        parse_swc("\n".join(lines).encode(), "cell.swc")


def test_bytes_of_any_kind_are_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 10, 1000):
        with pytest.raises(FrameError):
            parse_swc(rng.bytes(size), "cell.swc")
    latin = "# Purkinje cell, Rodr\xedguez\n1 1 0 0 0 5 -1\n2 3 0 1 0 1 1\n".encode("latin-1")
    assert len(parse_swc(latin, "cell.swc").points) == 2
