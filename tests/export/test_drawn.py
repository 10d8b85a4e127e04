"""Whatever makes something of a network trained on neurons draws them as it was trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from edgeneuro.data.make_split import make_split
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError
from edgeneuro.export.parts import calibration_part
from edgeneuro.export.source import FloatModel
from edgeneuro.manifest import Compute
from edgeneuro.preprocess import Preprocess
from tests.benchmarks.frames import flat_data
from tests.neurons import Recorder

DRAWING = Drawing(variant="raw", view="xyz", side_px=48)
ON_FRAMES = FloatModel(
    name="mine",
    graph=onnx.ModelProto(),
    compute=Compute(params=1, macs=1),
    classes=("dark", "grey", "bright"),
    primary_metric="balanced_accuracy",
    preprocess=Preprocess(height=32, width=32),
    provenance={},
)
TRAINED = replace(ON_FRAMES, preprocess=Preprocess(height=32, width=32, drawing=DRAWING))


def test_a_float_network_reads_neurons_in_its_own_pictures() -> None:
    recorder = Recorder(flat_data())
    sample = recorder.data.samples[0]
    np.testing.assert_array_equal(TRAINED.read(recorder.data, sample), flat_data().read(sample))
    assert recorder.asked == [DRAWING]
    with pytest.raises(DataError, match="holds neurons, but the network does not say how they are drawn"):
        ON_FRAMES.read(recorder.data, sample)


def test_calibration_neurons_are_chosen_and_handed_on_in_its_own_pictures() -> None:
    recorder = Recorder(flat_data())
    split = make_split(recorder.data, fold=0, seed=0)
    chosen, _ = calibration_part(TRAINED, recorder.data, recorder.data, split, 4, seed=0)
    chosen.read(chosen.samples[0])
    assert set(recorder.asked) == {DRAWING} and chosen.drawing == DRAWING
