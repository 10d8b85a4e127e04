"""The network that the light one is measured against."""

from __future__ import annotations

from edgeneuro.benchmarks.dual import DUAL_MACS, dual_macs
from edgeneuro.manifest import Compute
from tests.runtime.bundles import tiny_manifest


def test_the_stored_count_of_the_dual_branch_network_is_that_of_its_layers() -> None:
    def convolutions(blocks: tuple[int, ...]) -> int:
        macs, before = 0, 3
        for number, (layers, width) in enumerate(zip(blocks, (64, 128, 256, 512, 512), strict=True)):
            for _ in range(layers):
                macs += 9 * before * width * (224 >> number) ** 2
                before = width
        return macs

    head = 1024 * 1024 + 1024 * 512 + 512 * 256 + 256 * 4
    assert convolutions((2, 2, 3, 3, 3)) + convolutions((2, 2, 4, 4, 4)) + head == DUAL_MACS


def test_a_measured_dual_branch_engine_replaces_the_stored_count() -> None:
    dual = tiny_manifest(model="myositis-dual", compute=Compute(params=6, macs=300))
    assert dual_macs([tiny_manifest()])[0] == DUAL_MACS
    macs, source = dual_macs([tiny_manifest(), dual])
    assert macs == 300 and "manifest" in source
