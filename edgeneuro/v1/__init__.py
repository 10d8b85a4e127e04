"""Analyses of recordings of the visual cortex: receptive fields, dimension, clusters, decoding."""
