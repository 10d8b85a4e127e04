"""A reconstructed neuron: a tree of nodes in space, as SWC files hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNDEFINED, SOMA, AXON, BASAL, APICAL = range(5)
"""Types of nodes in SWC; 3 is also a dendrite of a cell without apical ones. Further numbers mean what a laboratory says.
Source: Cannon et al. 1998, 10.1016/S0165-0270(98)00091-0; Ascoli et al., NeuroMorpho.Org."""


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Nodes in an order in which every parent comes before its children.

    points: (node, 3) float64, um. radii: (node,) float64, um. types: (node,) int64, one of the five above.
    parents: (node,) int64, row of the parent, -1 of a root.
    """

    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    types: NDArray[np.int64]
    parents: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.parents)

    @property
    def soma(self) -> NDArray[np.float64]:
        """(3,) um, the mean of the soma's nodes; of a neuron without a soma, its first root."""
        nodes = self.types == SOMA
        centre: NDArray[np.float64] = self.points[nodes].mean(0) if nodes.any() else self.points[0]
        return centre
