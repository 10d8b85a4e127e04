"""Stand-ins for TensorRT and CUDA, held to committed lists of what the real libraries have.

Nothing that runs on them is a GPU result. `use.py` puts them in place for a test, `store.py` says what was done to the
fake device, `make_lists.py` made the lists.
"""
