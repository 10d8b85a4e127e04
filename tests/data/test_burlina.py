"""The Burlina release in both layouts, on small files of the same schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pytest
import scipy.io

from edgeneuro.data import open_data
from edgeneuro.data.leakage import leak_statement
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame
from tests.data.folders import speckle, write_frames, write_table

HEADER = ["Patient Identifier", "2D Image", "Muscle", "Age", "Sex", "Muscle Strength", "Diagnosis", "CPK", "Months"]
SUBJECTS = "DIPN" * 4
"""Diagnosis of each of 16 subjects, 5 images each."""

IMAGES = 5


def index_rows() -> list[list[object]]:
    """The subject stands only on its first row, as in the release; image names are large whole numbers."""
    return [
        [
            f"S{n:02d}" if i == 0 else None,
            20150922134027.0 + 10 * n + i,
            "LRDBG"[i],
            50 + n,
            "F",
            9.5,
            diagnosis,
            None,
            12,
        ]
        for n, diagnosis in enumerate(SUBJECTS)
        for i in range(IMAGES)
    ]


def write_index(path: Path, header: list[str], rows: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [header, *rows]:
        book.active.append(row)
    book.save(path)


def frames() -> list[Frame]:
    return [speckle(n, height=40 + n % 3) for n in range(len(SUBJECTS) * IMAGES)]


def write_old_mat(path: Path, images: list[Frame]) -> None:
    cells = np.empty((len(images), 1), dtype=object)
    cells[:, 0] = images
    scipy.io.savemat(path, {"im": cells, "imSeg": cells})


def write_mat_73(path: Path, images: list[Frame]) -> None:
    """HDF5 behind MATLAB's 512-byte header, arrays transposed, cells as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        cells = file.create_dataset("im", (1, len(images)), dtype=h5py.ref_dtype)
        for n, image in enumerate(images):
            cells[0, n] = file.create_dataset(f"#refs#/{n}", data=image.T).ref
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512, b"\0"))


def write_cropped(folder: Path, *, lists: bool = True) -> None:
    """The cropped layout, with S4 lists that send image i of every subject to the test part of fold i + 1."""
    names = [f"{n + 1}.PNG" for n in range(len(SUBJECTS) * IMAGES)]
    write_frames(folder / "images", names)
    rows = [[*row, name] for row, name in zip(index_rows(), names, strict=True)]
    write_index(folder / "OrginalAndCroppedFileNames.xlsx", [*HEADER, "Cropped Image Name"], rows)
    for fold in range(1, 6) if lists else ():
        lines = ["FileNames,OrginalFileID,Labels,Class,Type"]
        for n, name in enumerate(names):
            diagnosis = SUBJECTS[n // IMAGES]
            part = {fold - 1: "Test", fold % IMAGES: "Validation"}.get(n % IMAGES, "Train")
            lines.append(f"{name},{20150922134027 + n},{diagnosis},{'IPDN'.index(diagnosis)},{part}")
        write_table(folder / "FileList", lines, f"S4_FileList_Fold_{fold}.csv")


def write_original(folder: Path) -> None:
    write_index(folder / "PatientImages_PLOS2017.xlsx", HEADER, index_rows())
    write_old_mat(folder / "PatientData.mat", frames())


@pytest.mark.parametrize("write_mat", [write_old_mat, write_mat_73])
def test_the_cells_of_the_mat_file_follow_the_rows_of_the_spreadsheet(
    tmp_path: Path, write_mat: Callable[[Path, list[Frame]], None]
) -> None:
    write_index(tmp_path / "PatientImages_PLOS2017.xlsx", HEADER, index_rows())
    write_mat(tmp_path / "PatientData.mat", frames())
    data = open_data(str(tmp_path))
    assert data.classes == ("ibm", "pm", "dm", "normal")
    assert len(data) == 80
    for n in (0, 6, 79):
        sample = data.samples[n]
        assert (sample.source, sample.index, sample.group) == ("PatientData.mat", n, f"S{n // IMAGES:02d}")
        np.testing.assert_array_equal(data.read(sample), frames()[n], strict=True)
    assert [data.classes[s.target or 0] for s in data.samples[::IMAGES]][:4] == ["dm", "ibm", "pm", "normal"]


def test_the_subject_is_carried_down_and_the_other_columns_become_tags(tmp_path: Path) -> None:
    write_cropped(tmp_path)
    data = open_data(str(tmp_path))
    assert [sample.group for sample in data.samples] == [f"S{n:02d}" for n in range(16) for _ in range(IMAGES)]
    tags = data.samples[7].tags
    assert (tags["muscle"], tags["Age"], tags["Muscle Strength"], tags["2D Image"]) == (
        "D",
        "51",
        "9.5",
        "20150922134039",
    )
    np.testing.assert_array_equal(data.read(data.samples[7]), speckle(7))


def test_the_subject_protocol_divides_no_subject(tmp_path: Path) -> None:
    write_cropped(tmp_path)
    data = open_data(str(tmp_path))
    split = make_split(data, fold=1)
    tested = {sample.group for sample in split.part(data.samples, "test")}
    trained = {sample.group for sample in split.part(data.samples, "training")}
    assert len(tested) == 4 and not tested & trained


def test_the_public_folds_are_the_leaky_protocol_and_say_how_much_leaks(tmp_path: Path) -> None:
    write_cropped(tmp_path)
    data = open_data(str(tmp_path))
    split = make_split(data, protocol="leaky", fold=2)
    assert split.protocol == "leaky"
    assert [s.source for s in split.part(data.samples, "test")] == [f"images/{5 * n + 2}.PNG" for n in range(16)]
    assert [s.source for s in split.part(data.samples, "validation")] == [f"images/{5 * n + 3}.PNG" for n in range(16)]
    statement = leak_statement(data, split)
    assert statement is not None and "16 of 16 groups in the test part also have frames in training" in statement
    with pytest.raises(DataError, match="has no fold 0, expected --fold 1 or 2 or 3 or 4 or 5"):
        make_split(data, protocol="leaky", fold=0)


def test_without_fold_lists_the_leaky_protocol_draws_frames(tmp_path: Path) -> None:
    write_cropped(tmp_path, lists=False)
    data = open_data(str(tmp_path))
    assert len(make_split(data, protocol="leaky", fold=0).test) == 16


@pytest.mark.parametrize(
    ("scenario", "classes", "targets", "dropped"),
    [
        ("S1", ("myositis", "normal"), [0, 0, 0, 1], 0),
        ("S2", ("ibm", "normal"), [0, 1], 40),
        ("S3", ("ibm", "pm_or_dm"), [1, 0, 1], 20),
    ],
)
def test_the_label_column_chooses_the_scenario(
    tmp_path: Path, scenario: str, classes: tuple[str, ...], targets: list[int], dropped: int
) -> None:
    write_cropped(tmp_path)
    data = open_data(str(tmp_path), label_column=scenario)
    assert data.classes == classes
    assert [sample.target for sample in data.samples[::IMAGES]][: len(targets)] == targets
    assert sum(data.dropped.values()) == dropped


def test_a_fold_list_that_contradicts_the_index_is_refused(tmp_path: Path) -> None:
    write_cropped(tmp_path)
    path = tmp_path / "FileList" / "S4_FileList_Fold_3.csv"
    path.write_text(path.read_text().replace("\n1.PNG,20150922134027,D,2,", "\n1.PNG,20150922134027,D,1,"))
    with pytest.raises(DataError, match=r"Fold_3\.csv: says class '1', part 'Train' of 1\.PNG, expected class 2"):
        open_data(str(tmp_path))


def test_a_number_of_images_other_than_rows_is_refused(tmp_path: Path) -> None:
    write_original(tmp_path)
    write_index(tmp_path / "PatientImages_PLOS2017.xlsx", HEADER, index_rows()[:-1])
    with pytest.raises(DataError, match=r"holds 80 images, but PatientImages_PLOS2017\.xlsx has 79 rows"):
        open_data(str(tmp_path))


def test_a_missing_spreadsheet_is_named(tmp_path: Path) -> None:
    write_old_mat(tmp_path / "PatientData.mat", frames()[:1])
    with pytest.raises(DataError, match=r"PatientImages_PLOS2017\.xlsx: no such spreadsheet"):
        open_data(str(tmp_path))


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    write_cropped(tmp_path)
    (tmp_path / "images" / "9.PNG").unlink()
    with pytest.raises(DataError, match=r"the index names '9\.PNG', but images/ has no such image"):
        open_data(str(tmp_path))


def test_a_spreadsheet_without_diagnosis_names_its_columns(tmp_path: Path) -> None:
    write_cropped(tmp_path)
    rows = [row[:6] for row in index_rows()]
    write_index(tmp_path / "OrginalAndCroppedFileNames.xlsx", HEADER[:6], rows)
    with pytest.raises(
        DataError, match=r"has columns Patient Identifier, 2D Image, .* expected one named like diagnosis"
    ):
        open_data(str(tmp_path))


def test_an_unknown_diagnosis_is_refused_with_its_row(tmp_path: Path) -> None:
    rows = index_rows()
    rows[3][6] = "X"
    write_old_mat(tmp_path / "PatientData.mat", frames())
    write_index(tmp_path / "PatientImages_PLOS2017.xlsx", HEADER, rows)
    with pytest.raises(DataError, match="row 5 has diagnosis 'X', expected one of I, P, D, N"):
        open_data(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"not MATLAB" * 100, b"MATLAB 7.3".ljust(512) + b"\x89HDF\r\n\x1a\n"])
def test_a_damaged_mat_file_is_refused(tmp_path: Path, content: bytes) -> None:
    write_original(tmp_path)
    (tmp_path / "PatientData.mat").write_bytes(content)
    with pytest.raises(
        DataError, match=r"PatientData\.mat: (is not a readable MATLAB file|has no readable cell array)"
    ):
        open_data(str(tmp_path))


def test_a_damaged_spreadsheet_is_refused(tmp_path: Path) -> None:
    write_original(tmp_path)
    (tmp_path / "PatientImages_PLOS2017.xlsx").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="is not a readable spreadsheet"):
        open_data(str(tmp_path))


def test_an_unknown_scenario_and_other_groups_are_refused(tmp_path: Path) -> None:
    write_original(tmp_path)
    with pytest.raises(DataError, match="label column 'S5' is unknown here, expected one of S1, S2, S3, S4"):
        open_data(str(tmp_path), label_column="S5")
    with pytest.raises(DataError, match="groups are always the subjects here"):
        open_data(str(tmp_path), group_column="muscle")
