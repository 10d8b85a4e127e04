"""Volumes: reading them, neurons drawn into them, blocks for training, and simulated ones."""

from edgeneuro.data.volumes.read import read_volume

__all__ = ["read_volume"]
