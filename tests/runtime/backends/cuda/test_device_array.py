"""Arrays of other libraries are read where they lie, or refused with the reason."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch

from edgeneuro.errors import BackendError, ShapeError
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray, device_array
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.spec import Array
from tests.gpu import needs_gpu
from tests.runtime.backends.cuda.lenders import DlpackLender, InterfaceLender, behind

STREAM = 0x5000
FRAME = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


def read(value: object, *, device: int = 0, waited: list[int] | None = None) -> DeviceArray | Array:
    """As an engine on STREAM does. waited: gets the streams that were waited for."""
    waited = [] if waited is None else waited
    return device_array(value, stream=STREAM, synchronize=waited.append, device=device)


def on_device(value: object, *, device: int = 0, waited: list[int] | None = None) -> DeviceArray:
    array = read(value, device=device, waited=waited)
    assert isinstance(array, DeviceArray)
    return array


def check_is_frame(array: DeviceArray) -> None:
    assert (array.shape, array.dtype.name, array.ndim, array.nbytes) == ((1, 2, 3, 4), "float32", 4, 96)
    np.testing.assert_array_equal(behind(array.address, array.shape, array.dtype), FRAME)


# --- DLPack


@pytest.mark.parametrize("version", [None, (1, 0), (1, 7)])
@pytest.mark.parametrize("device", [(2, 0), (13, 0), (3, 0)], ids=["cuda", "managed", "page-locked"])
def test_dlpack_memory_that_a_gpu_reads_is_not_copied(version: tuple[int, int] | None, device: tuple[int, int]) -> None:
    lender = DlpackLender(FRAME, version=version, device=device)
    array = on_device(lender)
    assert array.address == FRAME.ctypes.data
    check_is_frame(array)


def test_the_writer_is_told_the_readers_stream_where_there_are_streams() -> None:
    gpu, host = DlpackLender(FRAME, device=(2, 0)), DlpackLender(FRAME, device=(3, 0))
    waited: list[int] = []
    on_device(gpu, waited=waited)
    on_device(host, waited=waited)
    assert (gpu.streams, host.streams, waited) == ([STREAM], [None], [])


@pytest.mark.parametrize(("version", "name"), [(None, b"used_dltensor"), ((1, 0), b"used_dltensor_versioned")])
def test_a_capsule_is_marked_as_read_and_given_back_once_with_the_array(
    version: tuple[int, int] | None, name: bytes
) -> None:
    lender = DlpackLender(FRAME, version=version)
    array = on_device(lender)
    assert lender.names() == [name]
    assert lender.given_back == 0
    del array
    gc.collect()
    assert lender.given_back == 1


def test_a_capsule_that_somebody_read_is_refused() -> None:
    class Again:
        def __init__(self, lender: DlpackLender) -> None:
            self._device, self._capsule = lender.__dlpack_device__(), lender.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return self._device

        def __dlpack__(self, **_: Any) -> object:
            return self._capsule

    lender = DlpackLender(FRAME)
    again = Again(lender)
    kept = on_device(again)
    with pytest.raises(
        BackendError, match="expected a capsule named dltensor or dltensor_versioned that nobody has read"
    ):
        read(again)
    check_is_frame(kept)


def test_another_major_version_is_given_back_unread() -> None:
    lender = DlpackLender(FRAME, version=(2, 0))
    with pytest.raises(BackendError, match=r"version 2\.0, expected 1\.x; upgrade"):
        read(lender)
    gc.collect()
    assert lender.given_back == 1


def test_strides_left_out_mean_one_element_after_the_other() -> None:
    lender = DlpackLender(FRAME)
    lender.plain_strides = True
    check_is_frame(on_device(lender))


def test_strides_of_axes_with_one_element_do_not_matter() -> None:
    odd = np.lib.stride_tricks.as_strided(FRAME, FRAME.shape, (4, *FRAME.strides[1:]))
    check_is_frame(on_device(DlpackLender(odd)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float16", "float64", "complex64", "bool"])
def test_dlpack_types_become_those_of_numpy(dtype: str) -> None:
    array = on_device(DlpackLender(np.ones(3, dtype)))
    assert array.dtype == np.dtype(dtype)


def test_elements_that_numpy_has_not_are_refused_and_given_back() -> None:
    lender = DlpackLender(np.zeros(3, np.uint16), code=4)  # bfloat16
    with pytest.raises(ShapeError, match=r"type code 4 with 16 bits.*convert them to float32 or float16"):
        read(lender)
    gc.collect()
    assert lender.given_back == 1


def test_a_tensor_on_another_gpu_is_refused_before_it_is_lent() -> None:
    lender = DlpackLender(FRAME, device=(2, 1))
    with pytest.raises(BackendError, match="DlpackLender: lies on GPU 1, expected GPU 0, where the engine runs"):
        read(lender)
    assert lender.capsules == []
    check_is_frame(on_device(lender, device=1))


def test_another_kind_of_device_is_refused() -> None:
    with pytest.raises(
        BackendError, match=r"device of DLPack type 8, expected one of \[2, 3, 13\] \(CUDA\) or 1 \(host\)"
    ):
        read(DlpackLender(FRAME, device=(8, 0)))


# --- host memory


def test_numpy_and_device_arrays_pass_as_they_are() -> None:
    made = DeviceArray(FRAME.ctypes.data, FRAME.shape, FRAME.dtype, None)
    assert read(FRAME) is FRAME
    assert read(made) is made


def test_a_torch_tensor_on_the_processor_is_seen_by_numpy() -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    array = read(tensor)
    assert isinstance(array, np.ndarray)
    assert array.ctypes.data == tensor.data_ptr()
    np.testing.assert_array_equal(array, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_a_torch_tensor_of_bfloat16_is_refused_by_its_name() -> None:
    with pytest.raises(
        BackendError, match=r"torch\.Tensor: does not lend its memory .*pass a detached copy of a type numpy"
    ):
        read(torch.zeros(3, dtype=torch.bfloat16))


def test_a_torch_tensor_that_is_trained_is_refused() -> None:
    with pytest.raises(BackendError, match=r"torch\.Tensor: does not lend its memory"):
        read(torch.zeros(3, requires_grad=True))


@pytest.mark.gpu
def test_a_torch_tensor_on_the_gpu_is_read_in_place_after_the_work_on_it() -> None:
    needs_gpu()
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch was built without CUDA")
    cuda = open_cuda()
    stream = cuda.create_stream()
    tensor = torch.ones(1 << 22, device="cuda")
    for _ in range(64):
        tensor.mul_(1.5).sub_(0.5)
    tensor.add_(41)  # still under way when it is lent: 1 stays 1 until here
    array = device_array(tensor, stream=stream, synchronize=cuda.synchronize)
    assert isinstance(array, DeviceArray)
    assert array.address == tensor.data_ptr()
    back = np.zeros(tensor.shape, np.float32)
    cuda.copy(back.ctypes.data, array.address, array.nbytes, "to_host", stream)
    cuda.synchronize(stream)
    assert set(back) == {42}
    cuda.close()


# --- CUDA Array Interface


def test_an_array_interface_is_read_in_place_and_kept_alive() -> None:
    lender = InterfaceLender(FRAME)
    array = on_device(lender)
    check_is_frame(array)
    assert array.owner is lender


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"stream": 0x77}, [0x77]),
        ({"stream": 2}, [2]),
        ({"stream": None}, []),
        ({}, []),
        ({"version": 2}, [1]),
    ],
    ids=["stream", "default-of-thread", "nothing-pending", "nothing-said", "version-2"],
)
def test_the_writers_stream_is_waited_for(more: dict[str, Any], expected: list[int]) -> None:
    waited: list[int] = []
    check_is_frame(on_device(InterfaceLender(FRAME, **more), waited=waited))
    assert waited == expected


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stream": 0}, "stream 0, which version 3 of __cuda_array_interface__ forbids"),
        ({"version": 1}, "version 1 of __cuda_array_interface__, expected 2 or 3"),
        ({"mask": object()}, "has a mask"),
    ],
)
def test_an_array_interface_that_is_not_understood_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        read(InterfaceLender(FRAME, **more))


@pytest.mark.parametrize("typestr", [">f4", "|O8", "nonsense"])
def test_elements_that_no_gpu_reads_are_refused(typestr: str) -> None:
    with pytest.raises(ShapeError, match="convert them first"):
        read(InterfaceLender(FRAME, typestr=typestr))


# --- both


@pytest.mark.parametrize("lender", [DlpackLender, InterfaceLender])
@pytest.mark.parametrize("view", [FRAME[..., ::2], FRAME.transpose(0, 2, 3, 1), FRAME[..., ::-1]])
def test_gaps_and_other_orders_are_refused(lender: type[DlpackLender | InterfaceLender], view: Array) -> None:
    with pytest.raises(ShapeError, match=r"gaps or another order \(strides .*pass a contiguous copy"):
        read(lender(view))


@pytest.mark.parametrize("lender", [DlpackLender, InterfaceLender])
def test_scalars_and_empty_arrays_are_arrays_too(lender: type[DlpackLender | InterfaceLender]) -> None:
    scalar, empty = on_device(lender(np.array(3.0))), on_device(lender(np.zeros((0, 4))[:, ::2]))
    assert (scalar.shape, scalar.nbytes) == ((), 8)
    assert (empty.shape, empty.nbytes) == ((0, 2), 0)


def test_dlpack_is_asked_before_the_array_interface() -> None:
    class Both(DlpackLender):
        @property
        def __cuda_array_interface__(self) -> dict[str, Any]:
            raise AssertionError("asked")

    check_is_frame(on_device(Both(FRAME)))


def test_anything_else_is_refused_with_what_would_do() -> None:
    with pytest.raises(BackendError, match=r"got builtins\.list, expected a numpy array, an object with __dlpack__ or"):
        read([1.0, 2.0])


# --- raw pointers


@pytest.mark.parametrize(
    ("address", "shape", "dtype", "words"),
    [
        (0, (3,), "f4", "got address 0, expected that of device memory"),
        (-8, (3,), "f4", "got address -8"),
        (8, (3, -1), "f4", r"got shape \(3, -1\), expected sizes of 0 or more"),
        (8, (3,), ">f4", "got elements of >f4"),
        (8, (3,), "O", "convert them first"),
    ],
)
def test_raw_pointers_are_checked(address: int, shape: tuple[int, ...], dtype: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        DeviceArray(address, shape, np.dtype(dtype), None)
