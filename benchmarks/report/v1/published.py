"""What was published on recordings of 2,800 natural images, to stand beside what is found here.

Study: El-Dallal, Maher, Amashukeli and Sherif, "Understanding a mouse is like smelling the color 9", University of Tartu, on the data of
Stringer et al. 2019, 10.1038/s41586-019-1346-5, whose own values are marked as theirs. Its accuracies are of a split trial by trial, so both
trials of an image could be on both sides, with SMOTE and 17 classes, the grey screen among them.
"""

from __future__ import annotations

from collections.abc import Mapping

NONE = "-"
VARIANCE_EXPLAINED = "11.4 ± 0.7 at rank 25"
FIELD_ORDER = "none found"
DISTANCES: Mapping[str, str] = {"raw": "nearly equal", "zscore": "same image slightly closer"}
SAME_IMAGE: Mapping[int, str] = {8: "about 25"}
"""Number of clusters -> %, where chance is 12.5 % or more."""
COCLUSTERS = "better than with all neurons"
GREY = "41 (Euclidean; 4, 9, 13 neighbours)"
NATURAL = "118 (cosine, 9 neighbours)"
POWER_LAW = "about 1 (Stringer et al.)"
IDENTITY = "75.5 of 2,800 images (Stringer et al.)"
ACCURACY: Mapping[str, str] = {
    "forest": "16.47",
    "boosting": "15.37",
    "adaboost": "lost in the copy",
    "search": "16.78 (auto-sklearn, 8 h)",
    "forest-univariate": "15.22",
    "forest-elimination": "15.11",
    "forest-gain": "13.8",
    "forest-svd": "12.94",
    "forest-factors": "13.72",
    "forest-incremental": "16.23",
    "forest-pca": "15.45",
}
"""Key of a decoder -> %, leaky."""
MERGED: Mapping[str, str] = {"mice-apart": "39.14 (forest)", "mice-and-hamsters": "37.73 (forest)"}
"""Name of a merge -> %, leaky, 6 classes whose membership is lost."""
GUIDED = "42.21 (5 classes, network)"
