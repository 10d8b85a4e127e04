"""The deep learning accelerator of a Jetson: what of a network runs there, with the GPU for the rest.

Never run on a DLA by this project: written from NVIDIA's "Working with DLA" and the bindings' documentation.
"""

from __future__ import annotations

from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.library import Library


def use_dla(builder: Any, config: Any, network: Any, library: Library, core: int) -> tuple[int, int]:
    """Have the network run on DLA `core` as far as it can; returns (layers that can, layers).

    Which of them do is up to the library, and seen in the engine only. Raises BackendError: no such core, or no layer
    that could run there, with the reason.
    """
    cores = builder.num_DLA_cores
    if core not in range(cores):
        raise BackendError(f"{library.name}: got DLA core {core}, {_cores(library, cores)}")
    config.default_device_type = library.module.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(library.module.BuilderFlag.GPU_FALLBACK)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    able = sum(bool(config.can_run_on_DLA(layer)) for layer in layers)
    if able == 0:
        raise BackendError(
            f"{library.name}: DLA core {core} can run none of the {len(layers)} layers; it computes in FP16 and INT8 alone: "
            "build with --fp16 or --int8, or leave out --dla"
        )
    return able, len(layers)


def _cores(library: Library, cores: int) -> str:
    if cores > 0:
        return f"but this board has {cores}, numbered from 0"
    if library.flavour == "tensorrt-rtx":
        return "but TensorRT-RTX is for PCs and knows no DLA; leave out --dla, or build for tensorrt on the Jetson"
    return (
        "but finds none here: DLAs are on Jetson Orin NX and AGX Orin, and TensorRT drives them up to 10.7 and from 11.4.1 "
        "on AGX Orin (JetPack 7.2.2); leave out --dla"
    )
