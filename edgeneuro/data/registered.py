"""How the table of a data set is read: what dataset.json says, and the sets known by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeneuro.data.subgroups import check_bands
from edgeneuro.errors import DataError, InputError
from edgeneuro.records import from_json

DESCRIPTION = "dataset.json"
SCHEMA = 1
"""Raised when a field of dataset.json changes meaning."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A folder with a table; written as dataset.json (docs/schemas/dataset.schema.json).

    name: for messages and manifests. table: CSV file in the folder. *_column: its columns; fold_column None
    uses a column "fold" where there is one; mask_column None uses a column "mask" where there is no label_column, and a
    table with masks needs no labels. classes: in order of class number, empty for sorted labels; of masks, what each value
    means, empty for background and foreground.
    subgroups: columns by which accuracy is broken down -> where their numbers are cut into bands, () for values as they are.
    licence: as the source states it. simulated: the frames were made by this package.
    """

    name: str
    schema: int = SCHEMA
    table: str = "labels.csv"
    file_column: str = "file"
    label_column: str = "label"
    mask_column: str | None = None
    group_column: str = "group_id"
    fold_column: str | None = None
    classes: tuple[str, ...] = ()
    subgroups: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    licence: str = "unknown"
    simulated: bool = False


AGES = (20.0, 40.0, 60.0, 80.0)
"""Years at which a new band begins."""

REGISTERED: Mapping[str, Description] = {
    description.name: description
    for description in (
        Description(
            name="us_lung_pocus",
            fold_column="fold",
            classes=("covid", "pneumonia", "regular"),
            subgroups={"source_id": ()},
            licence="per video in column license, mostly CC-BY-NC-4.0",
        ),
        Description(
            name="us_breast_busi",
            fold_column="fold",
            classes=("benign", "malignant", "normal"),
            licence="not stated by the source",
        ),
        Description(
            name="us_muscle_timtrack",
            label_column="muscle",
            fold_column="fold",
            classes=("gastrocnemius_lateralis", "gastrocnemius_medialis", "vastus_lateralis"),
            subgroups={"device": ()},
            licence="per image in column license, CC0-1.0 or CC-BY-4.0",
        ),
        Description(
            name="neuron_pfc_pn",
            mask_column="mask",
            group_column="block_id",
            fold_column="fold",
            classes=("background", "neuron"),
            licence="CC0-1.0",
        ),
        Description(
            name="skin_ham10000",
            label_column="dx",
            group_column="lesion_id",
            fold_column="fold",
            classes=("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"),
            subgroups={"sex": (), "age": AGES, "localization": (), "dx_type": ()},
            licence="CC-BY-NC-4.0",
        ),
        Description(
            name="rat_neuron_swc",
            label_column="class12",
            fold_column="fold",
            classes=(
                *("BTC", "DBC", "L2_TPC", "L5_TPC", "L5_UPC", "L6_BPC"),
                *("L6_IPC", "L6_TPC", "LBC", "MC", "NBC", "SBC"),
            ),
            subgroups={"cell_class": (), "layer": ()},
            licence="CC-BY-4.0",
        ),
    )
}

NOT_IMAGES = ("v1_gratings_2p",)
"""Known sets of recordings, which are no labelled images or neurons."""


def read_description(folder: Path) -> Description:
    """What `folder`/dataset.json says. Raises DataError naming the field that is wrong."""
    path = folder / DESCRIPTION
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        description = from_json(Description, value, str(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not readable JSON ({error}); see docs/data.md") from error
    except InputError as error:
        raise DataError(f"{error}; see docs/data.md") from error
    if description.schema != SCHEMA:
        raise DataError(f"{path}: has schema {description.schema}, expected {SCHEMA}; update edgeneuro")
    if len(set(description.classes)) != len(description.classes):
        raise DataError(f"{path}: names a class twice, expected each once; correct its classes")
    for column, bands in description.subgroups.items():
        check_bands(column, bands, str(path))
    return description
