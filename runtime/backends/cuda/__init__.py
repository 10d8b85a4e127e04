"""CUDA from Python behind one shape: device memory, pinned memory, streams, events, graphs.

Two libraries stand behind it: cuda-python and pycuda. Everything runs in the device's primary context, which PyTorch and
ONNX Runtime share (CUDA C++ Programming Guide, "Driver API, Context"). Addresses and handles are plain integers. Every
call raises BackendError with CUDA's own error name.
"""
