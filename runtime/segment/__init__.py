"""Masks of volumes larger than memory, chunk by chunk, here or on a Dask cluster, resumable after anything."""
