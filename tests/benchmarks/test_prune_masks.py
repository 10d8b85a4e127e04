"""The table of what zeros do on processors, from a network of two convolutions."""

from functools import partial

import numpy as np
import pytest
import torch

from edgeneuro.benchmarks.protocol import interleave
from edgeneuro.benchmarks.prune_masks import WAYS, Variant, forms_here, in_int8, rows_of, times, variants
from edgeneuro.export.graph import initializers
from edgeneuro.export.prune.two_four import layers_following_2_4
from edgeneuro.preprocess import Preprocess
from tests.checkpoints import checkpoint_config
from tests.export.qat_toy import Toy


@pytest.fixture(scope="module")
def thinned() -> dict[str, Variant]:
    torch.manual_seed(0)
    config = checkpoint_config(preprocess=Preprocess(height=32, width=32))
    return variants(Toy(2, 1).eval(), config, {name: WAYS[name] for name in ("dense", "2:4")})


def test_every_variant_has_the_zeros_its_name_says_in_the_same_graph(thinned: dict[str, Variant]) -> None:
    assert [round(variant.zeros, 2) for variant in thinned.values()] == [0.0, 0.5]
    sizes = {name: len(variant.graph.SerializeToString()) for name, variant in thinned.items()}
    assert len(set(sizes.values())) == 1
    for name, variant in thinned.items():
        (inner,) = (value for value in initializers(variant.graph.graph).values() if value.shape == (8, 8, 3, 3))
        assert np.mean(inner == 0) == pytest.approx(variant.zeros, abs=0.01)
        assert any(layers_following_2_4(variant.graph).values()) == (name == "2:4")


def test_float_and_int8_graphs_are_timed_in_the_same_rounds_on_every_backend(thinned: dict[str, Variant]) -> None:
    run = partial(interleave, rounds=3, warm_up=1, rng=np.random.default_rng(0))
    frames = np.random.default_rng(1).standard_normal((2, 1, 32, 32))
    forms = forms_here()
    assert "onnxruntime" in forms
    for backend, form in forms.items():
        graph = in_int8(thinned["2:4"].graph, form, frames)
        assert any(node.op_type == "DequantizeLinear" for node in graph.graph.node)
        graphs = {"dense": thinned["dense"].graph.SerializeToString(), "2:4": graph.SerializeToString()}
        taken = times(graphs, backend, threads=1, run=run)
        assert {name: len(found) for name, found in taken.items()} == {"dense": 3, "2:4": 3}


def test_ratios_are_taken_round_by_round_and_bytes_once_plain_and_once_deflated() -> None:
    noise = np.random.default_rng(0).bytes(4000)
    graphs = {"dense": noise, "2:4": noise[:2000] + bytes(2000)}
    taken = {"dense": np.array([1.0, 2.0, 4.0] * 20), "2:4": np.array([1.5, 3.0, 6.0] * 20)}
    made = {name: Variant(graph=None, zeros=zeros) for name, zeros in (("dense", 0.0), ("2:4", 0.5))}  # type: ignore[arg-type]
    dense, fours = rows_of("onnxruntime", "fp32", made, graphs, taken)
    assert (dense["ratio"], fours["ratio"], fours["low"], fours["high"]) == (1.0, 1.5, 1.5, 1.5)
    assert dense["bytes"] == fours["bytes"] == 4000
    assert 0.48 < fours["zipped_ratio"] < 0.56 and dense["zipped_bytes"] > 3990
    assert fours["zeros_percent"] == 50.0
