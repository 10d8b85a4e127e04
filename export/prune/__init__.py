"""Fewer operations in a trained network: channels, blocks, masks, ranks."""
