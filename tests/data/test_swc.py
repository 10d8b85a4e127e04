"""Neurons read with MorphIO."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.data.swc import decode_swc, is_neuron_file, read_swc
from edgeneuro.data.swc_table import parse_swc
from edgeneuro.errors import FrameError
from edgeneuro.neuron import SOMA
from tests.conftest import RealData
from tests.neurons import PYRAMID, Row, swc


def edges(tree: Any) -> Counter[tuple[float, ...]]:
    """Child's coordinates and type with its parent's coordinates, of every node with a parent; tenths of um."""
    below = tree.parents >= 0
    rows = np.c_[tree.points[below], tree.points[tree.parents[below]], tree.types[below]].round(1)
    return Counter(map(tuple, (rows + 0.0).tolist()))


def test_a_tree_comes_back_node_by_node() -> None:
    neuron = decode_swc(swc(), "cell.swc")
    np.testing.assert_array_equal(neuron.points, np.array(PYRAMID)[:, 1:4])
    np.testing.assert_array_equal(neuron.radii, np.array(PYRAMID)[:, 4])
    assert neuron.types.tolist() == [1, 2, 2, 3, 3, 4, 4, 4]
    assert neuron.parents.tolist() == [-1, 0, 1, 0, 3, 0, 5, 5]
    assert neuron.soma.tolist() == [0, 0, 0]


def random_rows(rng: np.random.Generator, nodes: int, *, soma: bool, roots: int) -> list[Row]:
    """Branching, changing its type where it does not branch, with several roots."""
    rows: list[Row] = [(1 if soma else 3, 0, 0, 0, 5, -1)]
    for number in range(1, nodes):
        root = number <= roots
        parent = -1 if root else int(rng.integers(max(1, number - 6), number + 1))
        x, y, z = rng.normal(0, 100, 3).round(1).tolist()
        rows.append((int(rng.integers(2, 5)), x, y, z, 1.0, 1 if rng.random() < 0.1 and not root else parent))
    return rows


@pytest.mark.parametrize("soma", [True, False])
@pytest.mark.parametrize("roots", [0, 3])
def test_whatever_the_tree_every_node_keeps_its_parent(soma: bool, roots: int) -> None:
    rng = np.random.default_rng(7)
    for nodes in (3, 40, 300):
        content = swc(random_rows(rng, nodes + roots, soma=soma, roots=roots))
        neuron = decode_swc(content, "cell.swc")
        assert edges(neuron) == edges(parse_swc(content, "cell.swc"))
        assert (neuron.parents < np.arange(len(neuron))).all()


def test_nodes_without_length_are_kept_or_vanish_where_they_end_nowhere() -> None:
    rows = [(1, 0, 0, 0, 5, -1), (3, 0, 9, 0, 1, 1), (3, 0, 9, 0, 1, 2), (4, 0, 9, 0, 1, 3), (4, 0, 20, 0, 1, 4)]
    neuron = decode_swc(swc(rows), "cell.swc")
    lengths = np.linalg.norm(neuron.points[1:] - neuron.points[neuron.parents[1:]], axis=1)
    assert sorted(lengths.tolist())[-2:] == [9.0, 11.0] and lengths.sum() == 20.0


@pytest.mark.parametrize(
    ("soma", "centre", "radius"),
    [
        (["1 1 0 0 0 5 -1"], [0, 0, 0], 5.0),
        (["1 1 0 0 0 5 -1", "8 1 0 5 0 5 1", "9 1 0 -5 0 5 1"], [0, 0, 0], 5.0),  # NeuroMorpho.Org's three points
        (["1 1 0 0 0 4 -1", "8 1 0 0 0 4 1"], [0, 0, 0], 0.0),  # two points in one place have no surface
        # it forks: MorphIO takes its points one after the other, a cone 6 um long with a base of radius 5 and lines without width
        (
            ["1 1 0 0 0 5 -1", "7 1 0 0 0 5 1", "8 1 0 6 0 0 7", "9 1 0 -6 0 0 7"],
            [0, 0, 0],
            math.sqrt(5 * math.hypot(5, 6) / 4),
        ),
        (["1 1 6 0 0 0 -1", "8 1 0 6 0 0 1", "9 1 -6 0 0 0 8", "10 1 0 -6 0 0 9"], [0, 0, 0], 6.0),  # a contour
    ],
)
def test_a_soma_of_any_kind_is_one_node(soma: list[str], centre: list[float], radius: float) -> None:
    neuron = decode_swc("\n".join([*soma, "2 3 0 9 0 1 1", "3 3 0 20 0 1 2"]).encode(), "cell.swc")
    assert neuron.types.tolist() == [SOMA, 3, 3] and neuron.parents.tolist() == [-1, 0, 1]
    np.testing.assert_allclose(neuron.points[0], centre, atol=1e-5)
    assert neuron.radii[0] == pytest.approx(radius, rel=1e-5)


def test_types_that_only_a_laboratory_knows_are_undefined() -> None:
    rows = [(1, 0, 0, 0, 5, -1), *((kind, 10.0 * i, 9, 0, 1, 1) for i, kind in enumerate((0, 5, 19, 42, -3, 4), 1))]
    assert decode_swc(swc(rows), "cell.swc").types.tolist() == [1, 0, 0, 0, 0, 0, 4]


@pytest.mark.parametrize("content", [b"1 1 0 0 0 5 -1\n2 1 0 5 0 5 1\n", b"1 3 0 0 0 5 -1\n2 3 0 5 0 5 -1\n"])
def test_somata_and_single_nodes_alone_are_no_neuron(content: bytes) -> None:
    with pytest.raises(FrameError, match=r"^cell.swc: holds no neurite, only a soma or single nodes"):
        decode_swc(content, "cell.swc")


def test_nothing_is_printed_about_files_that_morphio_warns_of(capfd: pytest.CaptureFixture[str]) -> None:
    decode_swc(b"1 3 0 0 0 0 -1\n2 3 0 5 0 0 1\n3 4 0 9 0 0 2\n4 2 70 0 0 0 -1\n5 2 80 0 0 0 4\n", "cell.swc")
    assert capfd.readouterr() == ("", "")


def test_without_morphio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "morphio", None)
    with pytest.raises(
        FrameError, match=r"cell.swc: SWC is read with MorphIO; run: pip install 'edgeneuro\[morphology\]'"
    ):
        decode_swc(swc(), "cell.swc")


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=r"none.swc: no such file"):
        read_swc(tmp_path / "none.swc")
    (tmp_path / "folder.swc").mkdir()
    with pytest.raises(FrameError, match=r"folder.swc: cannot be read"):
        read_swc(tmp_path / "folder.swc")
    (tmp_path / "CELL.SWC").write_bytes(swc())
    assert is_neuron_file(tmp_path / "CELL.SWC") and not is_neuron_file(Path("cell.png"))
    assert len(read_swc(tmp_path / "CELL.SWC")) == len(PYRAMID)


def test_a_chain_of_thirty_thousand_nodes_takes_less_than_a_second() -> None:
    lines = ["1 1 0 0 0 5 -1", *(f"{n} 3 {n % 700} {n // 700} 0 0.5 {n - 1}" for n in range(2, 30_001))]
    content = "\n".join(lines).encode()
    started = time.process_time()
    assert len(decode_swc(content, "cell.swc")) == 30_000
    assert time.process_time() - started < 3.0  # 0.3 s where nothing else runs


def test_real_reconstructions_keep_their_length(real_data: RealData) -> None:
    for path in sorted((real_data("rat_neuron_swc") / "swc").glob("*.swc"))[::160]:
        neuron = read_swc(path)
        assert edges(neuron).total() == (neuron.parents >= 0).sum() == len(neuron) - 1
        assert {1, 2, 3} <= set(neuron.types.tolist()) <= {1, 2, 3, 4}
