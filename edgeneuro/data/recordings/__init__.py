"""Recordings of many neurons at once: reading them, and simulated ones."""

from edgeneuro.data.recordings.recording import GREY, UNKNOWN, Recording

__all__ = ["GREY", "UNKNOWN", "Recording"]
