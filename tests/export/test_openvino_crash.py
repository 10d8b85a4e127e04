"""The graph that crashes OpenVINO 2026.4 while it compiles."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import form_named
from edgeneuro.export.lower import lower
from edgeneuro.export.plan import with_placement
from edgeneuro.runtime.backends import open_backend
from tests.export.conftest import Exported


def test_q_dq_before_a_pooling_with_a_fixed_batch_and_one_thread_opens_and_computes_right(exported: Exported) -> None:
    pytest.importorskip("openvino", reason="needs the openvino extra")
    form = form_named("openvino")
    pooling = next(node.name for node in exported.graph.graph.node if node.op_type == "GlobalAveragePool")
    model = lower(exported.graph, with_placement(exported.plan, form.target, (pooling,)), form)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    feed = {"image": exported.frames[:1]}
    expected = open_emulated(model).run(feed)["logits"]
    found = open_backend("openvino", model.SerializeToString(), threads=1).run(feed)["logits"]
    np.testing.assert_allclose(found, expected, atol=1e-4)
