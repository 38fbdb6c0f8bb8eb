"""Tables of packages: headings, cells and names as people write them."""

import csv
import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from pictured import box, encoded, opened, pairs, picture, placed, zipped

from lgbench.data import open_package
from lgbench.errors import BadData


def grey(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * 255


def table(heading: str, rows: list[list[object]], delimiter: str = ",", ending: str = "\n") -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=ending).writerows(rows)
    return (heading + ending + file.getvalue()).encode()


FILES = pairs(grey, mask_name="truth/{}.png")  # no folder that is known: the table alone tells
ROWS: list[list[object]] = [[f"images/{i}.png", f"truth/{i}.png", "ab"[i % 2]] for i in range(16)]


@pytest.mark.parametrize("packed", ["folder", "zip", "zip of the folder"])
@pytest.mark.parametrize(
    "heading",
    [
        "filepath,segmentation_path,category_id",
        "image_id,Mask Filename,species",
        "image,mask,label",
        "file,mask,class_name",
        "image, mask, label",
        "image,Mask,Label",
        "IMAGE , MASK , LABEL",
        "image,masks,labels",
        "image,segmentation,class",
        "file_name,mask_path,category",
        "Image Path,Mask-Path,Class Name",
        "image,Maske,label",
        "image,seg_path,label",
        "image,silhouette,class",
    ],
)
def test_headings_are_understood_as_they_are_written(tmp_path: Path, heading: str, packed: str):
    files = FILES | {"index.csv": table(heading, ROWS)}
    if packed == "folder":
        path = placed(tmp_path / "x", files)
    else:
        below = "" if packed == "zip" else "my data/"
        path = zipped(tmp_path / "x.zip", {below + name: file for name, file in files.items()})
    package = open_package(path)
    assert package.notes == ()
    assert package.classes == ("a", "b")
    for split in opened(path).values():
        assert split.masks is not None
        assert split.labels is not None
        for name, mask, label in zip(split.names, split.masks, split.labels, strict=True):
            number = int(Path(name).stem)
            assert (mask == grey(box(number))).all()
            assert label == number % 2


@pytest.mark.parametrize("name", ["labels.csv", "Index.CSV", "metadata.csv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_tables_are_written_by_many_programs(tmp_path: Path, name: str, delimiter: str, ending: str, mark: bytes):
    content = mark + table(delimiter.join(["image", "mask", "label"]), ROWS, delimiter, ending)
    package = open_package(placed(tmp_path / "x", FILES | {name: content}))
    assert (package.classes, package.masked, len(package.items)) == (("a", "b"), True, 16)


@pytest.mark.parametrize("cell", ["{}", "{}.0", " {} "])
@pytest.mark.parametrize(
    ("name", "heading", "row"),
    [
        ("labels.csv", "file,label", "{cell},1"),
        ("labels.csv", "file,mask", "images/{i:04d}.png,{cell}"),
        ("landmarks.csv", "file,x1,y1", "{cell},1,2"),
    ],
)
def test_numbers_that_lost_their_zeros_are_told_with_what_to_do(
    tmp_path: Path, name: str, heading: str, row: str, cell: str
):
    files = pairs(grey, image_name="images/{:04d}.png", mask_name="truth/{:04d}.png")
    rows = [row.format(i=i, cell=cell.format(i)) for i in range(16)]
    content = "\n".join([heading, *rows]).encode()
    said = rf"{name} in .* has '0(\.0)?' where .*/0000\.png may be meant: spreadsheets .* as 0000\.png"
    with pytest.raises(BadData, match=said):
        open_package(placed(tmp_path / "x", files | {name: content}))


def test_of_several_files_that_a_number_without_its_zeros_may_mean_none_is_taken(tmp_path: Path):
    files = {f"{folder}/{i:0{digits}d}.png": b"" for i in range(16) for folder, digits in (("a", 3), ("b", 4))}
    rows = table("file,label", [[i, i % 2] for i in range(16)])
    with pytest.raises(BadData, match=r"has '0' where a/000\.png, b/0000\.png may be meant"):
        open_package(placed(tmp_path / "x", files | {"labels.csv": rows}))


@pytest.mark.parametrize("called", ["{}", "{:04d}", "{:04d}.png"])
def test_numbers_that_kept_their_zeros_or_had_none_are_names(tmp_path: Path, called: str):
    kept = called.removesuffix(".png")
    files = {f"images/{kept.format(i)}.png": encoded(picture()) for i in range(16)}
    rows = table("file,label", [[called.format(i), i % 2] for i in range(16)])
    package = open_package(placed(tmp_path / "x", files | {"labels.csv": rows}))
    assert [item.image for item in package.items] == [*files]


def test_blanks_before_quotes_are_none(tmp_path: Path):
    rows = "".join(f'"{image}", "{mask}", "{label}"\n' for image, mask, label in ROWS)
    package = open_package(placed(tmp_path / "x", FILES | {"labels.csv": f'"image", "mask", "label"\n{rows}'.encode()}))
    assert (package.classes, package.masked, len(package.items)) == (("a", "b"), True, 16)


@pytest.mark.parametrize(
    "column", [[name.format(15 - i) for i in range(16)] for name in ("images/{}.png", "{}.png", "x {}.jpg")]
)
def test_a_column_of_other_names_is_not_taken_for_masks(tmp_path: Path, column: list[str]):
    rows: list[list[object]] = [[f"images/{i}.png", column[i]] for i in range(16)]
    package = open_package(placed(tmp_path / "x", pairs(grey) | {"labels.csv": table("image,original", rows)}))
    assert "the column original" in package.notes[0]
    assert [item.mask for item in package.items] == [f"masks/{i}.png" for i in range(16)]  # by their names


@pytest.mark.parametrize(
    ("train", "test"), [("train2017", "val2017"), ("training_set", "test_set"), (" Train", "TEST ")]
)
def test_splits_in_tables_are_understood_as_those_of_folders_are(tmp_path: Path, train: str, test: str):
    rows: list[list[object]] = [[f"images/{i}.png", train if i < 12 else test] for i in range(16)]
    package = open_package(placed(tmp_path / "x", pairs(grey) | {"labels.csv": table("image,split", rows)}))
    assert sum(item.split == "train" for item in package.items) in (11, 12)  # one may be drawn for `val`


@pytest.mark.parametrize(
    "called",
    [
        "images/{}.png",
        "./images/{}.png",
        "images\\{}.png",
        "{}.png",
        "images/{}",
        "{}",
        "IMAGES/{}.PNG",
    ],
)
def test_pictures_are_found_by_what_a_table_calls_them(tmp_path: Path, called: str):
    rows: list[list[object]] = [[called.format(i), "ab"[i % 2]] for i in range(16)]
    package = open_package(placed(tmp_path / "x", pairs(grey) | {"labels.csv": table("file,label", rows)}))
    assert [item.image for item in package.items] == [f"images/{i}.png" for i in range(16)]
    assert [item.mask for item in package.items] == [f"masks/{i}.png" for i in range(16)]  # by their names


def test_accents_may_be_composed_or_not(tmp_path: Path):
    name = "images/café{}.png"
    files = {unicodedata.normalize("NFD", name.format(i)): encoded(picture()) for i in range(4)}
    rows: list[list[object]] = [[unicodedata.normalize("NFC", name.format(i)), i % 2] for i in range(4)]
    files["labels.csv"] = table("file,label", rows)
    assert {len(split) for split in opened(zipped(tmp_path / "x.zip", files)).values()} == {3, 1}


@pytest.mark.parametrize(
    ("heading", "cells", "left_out"),
    [
        ("image,Maske", lambda i: [f"truth/{i}.npy"], "the column Maske of index.csv"),
        ("image,mask,is_training_image", lambda i: [f"truth/{i}.png", int(i < 8)], "the column is_training_image of"),
        ("image,mask,label,class_id", lambda i: [f"truth/{i}.png", i % 2, i % 2], "the column class_id of index.csv"),
        ("image,height,width", lambda i: [i, 2 * i], "the columns height, width of index.csv"),
        (
            "image,mask",
            lambda i: [f"truth/{i}.png" if i else ""],
            "1 picture that no row of index.csv names (truth/0.png)",
        ),
        ("file,image,mask", lambda i: ["x", f"truth/{i}.png"], "the column image of index.csv"),
    ],
)
def test_columns_and_files_that_nobody_reads_are_told(tmp_path: Path, heading: str, cells, left_out: str):
    rows: list[list[object]] = [[f"images/{i}.png", *cells(i)] for i in range(16)]
    package = open_package(placed(tmp_path / "x", FILES | {"index.csv": table(heading, rows)}))
    assert len(package.notes) == 1
    assert left_out in package.notes[0]


def test_masks_that_no_row_names_are_told(tmp_path: Path):
    rows: list[list[object]] = [[f"images/{i}.png", f"masks/{i}.png"] for i in range(10)]
    package = open_package(placed(tmp_path / "x", pairs(grey) | {"index.csv": table("image,mask", rows)}))
    assert "6 masks that no row of index.csv names (masks/10.png, " in package.notes[0]
    assert "6 pictures that no row of index.csv names (images/10.png, " in package.notes[0]


@pytest.mark.parametrize("content", [b"key,value\nlicence,free\n", b"", b"\x00\x01"])
def test_metadata_of_something_else_are_told(tmp_path: Path, content: bytes):
    package = open_package(placed(tmp_path / "x", pairs(grey) | {"metadata.csv": content}))
    assert len(package.items) == 16
    assert "metadata.csv" in package.notes[0]


def test_a_second_table_is_told(tmp_path: Path):
    files = FILES | {"index.csv": table("image,mask,label", ROWS), "labels.csv": table("image,mask,label", ROWS)}
    assert "index.csv" in open_package(placed(tmp_path / "x", files)).notes[0]


@pytest.mark.parametrize("masked", [16, 4])
@pytest.mark.parametrize("classes", [(), ("cat", "dog")])
def test_masks_that_a_table_names_are_no_class_of_pictures(tmp_path: Path, masked: int, classes: tuple[str, ...]):
    names = [f"{classes[i % 2]}/{i}.png" if classes else f"shown/{i}.png" for i in range(16)]
    files = {name: encoded(picture()) for name in names}
    files |= {f"truth/{i}.png": encoded(grey(box(i))) for i in range(masked)}
    rows: list[list[object]] = [[name, f"truth/{i}.png" if i < masked else ""] for i, name in enumerate(names)]
    package = open_package(placed(tmp_path / "x", files | {"labels.csv": table("file,mask", rows)}))
    assert sum(item.mask is not None for item in package.items) == masked
    assert package.classes == classes


def test_masks_that_the_table_says_are_none_are_none(tmp_path: Path):
    rows: list[list[object]] = [[f"images/{i}.png", f"truth/{i}.png", int(i > 2)] for i in range(16)]
    package = open_package(placed(tmp_path / "x", FILES | {"index.csv": table("image,mask,valid_mask", rows)}))
    assert [item.mask is None for item in package.items] == [i <= 2 for i in range(16)]
    assert "3 masks that index.csv says are not valid (truth/0.png, " in package.notes[0]


def test_columns_of_zeros_and_ones_are_attributes(tmp_path: Path):
    rows: list[list[object]] = [
        [f"images/{i}.png", i, i % 2, i // 8, "true" if i > 3 else "false", 1 - 2 * (i % 2), i % 3] for i in range(16)
    ]
    files = FILES | {"labels.csv": table("file,number,Smiling,Young,hat,male,age", rows)}
    path = placed(tmp_path / "x", files)
    assert "the columns number, age of labels.csv" in open_package(path).notes[0]
    for split in opened(path).values():
        assert split.attribute_names == ("Smiling", "Young", "hat", "male")
        assert split.attributes is not None
        for name, attributes in zip(split.names, split.attributes.tolist(), strict=True):
            i = int(Path(name).stem)
            assert attributes == [i % 2, i // 8, int(i > 3), 1 - i % 2]


def test_landmarks_are_read_beside_any_layout(tmp_path: Path):
    rows: list[list[object]] = [[f"images/{i}.png", 0, i / 4, 2, 3, i] for i in range(16)]
    path = placed(tmp_path / "x", pairs(grey) | {"landmarks.csv": table("file,blurred,x1,y1,x2,y2", rows)})
    assert "the column blurred of landmarks.csv" in open_package(path).notes[0]
    for split in opened(path).values():
        assert split.landmarks is not None
        for name, landmarks in zip(split.names, split.landmarks.tolist(), strict=True):
            i = int(Path(name).stem)
            assert landmarks == [[i / 4, 2], [3, i]]


def test_landmarks_of_some_pictures_only_are_left_out_and_told(tmp_path: Path):
    rows: list[list[object]] = [[f"images/{i}.png", i, i] for i in range(12)]
    package = open_package(placed(tmp_path / "x", pairs(grey) | {"landmarks.csv": table("file,x1,y1", rows)}))
    assert package.provides == {"masks"}
    assert "landmarks.csv, which has no landmarks of 4 pictures (images/12.png, " in package.notes[0]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("landmarks.csv", b"file,x,y\na,1,2\n", "x1, y1, x2, y2"),
        ("landmarks.csv", b"file,x1,y1\n", "and a row per picture"),
        ("landmarks.csv", b"file,x1,y1\nimages/0.png,1\n", "no numbers for all landmarks of 'images/0.png'"),
        ("landmarks.csv", b"file,x1,y1\nimages/0.png,1,\n", "no numbers for all landmarks of 'images/0.png'"),
        ("landmarks.csv", b"file,x1,y1\nimages/0.png,1,2\n0.png,3,4\n", "'images/0.png' more than once"),
        *(
            ("landmarks.csv", f"file,x1,y1\n0.png,1,2\n12.png,{x},4\n".encode(), "landmarks of '12.png' are not finite")
            for x in ("1e39", "-3e38", "1e400", "inf", "nan")
        ),
        ("labels.csv", b"file,label\nimages/0.png,lily, white\n", "2 headings and 3 cells for 'images/0.png'"),
        ("labels.csv", b"name;label\nx;2\n", "column `file` or `image`"),
        ("labels.csv", b"file,label\nimages/0.png,1\n0.png,2\n", "'images/0.png' more than once"),
        ("labels.csv", b"file,split\nimages/0.png,holdout\n", "the split 'holdout'; known are train"),
        ("labels.csv", b"file,split\nimages/0.png,\n", "the split ''"),
        ("labels.csv", "file,label\nimages/0.png,1\n".encode("utf-16"), "not a UTF-8 table"),
        ("labels.csv", b"file,label\nimages/0.png,\x00\n", "not a UTF-8 table|no label"),
    ],
)
def test_malformed_tables_say_what_is_wrong(tmp_path: Path, name: str, content: bytes, said: str):
    with pytest.raises(BadData, match=said):
        open_package(placed(tmp_path / "x", pairs(grey) | {name: content}))


@pytest.mark.parametrize(("limit", "value"), [("MOST_ROWS", 3), ("MOST_COLUMNS", 1), ("MOST_BYTES", 20)])
def test_huge_tables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int):
    monkeypatch.setattr(f"lgbench.data.table.{limit}", value)
    with pytest.raises(BadData, match="refused"):
        open_package(placed(tmp_path / "x", FILES | {"index.csv": table("image,mask,label", ROWS)}))


def classed(names: list[str]) -> bytes:
    """A table of pictures whose labels are 0 and 1 in turn, and these names."""
    return table("file,label,class_name", [[f"images/{i}.png", i % 2, name] for i, name in enumerate(names)])


@pytest.mark.parametrize("others", [["cow", "dog"], ["cat", "Dog"], ["dog", "cat"]])
def test_a_table_whose_class_names_contradict_its_labels_is_refused(tmp_path: Path, others: list[str]):
    files = {f"images/{i}.png": encoded(picture()) for i in range(12)}
    path = placed(tmp_path / "x", files | {"labels.csv": classed(["cat", "dog"] * 5 + others)})
    with pytest.raises(BadData, match="label [01] is '(cat|dog)' and '(cow|Dog|dog|cat)'"):
        open_package(path)


def test_a_row_without_a_class_name_contradicts_nothing(tmp_path: Path):
    files = {f"images/{i}.png": encoded(picture()) for i in range(12)}
    path = placed(tmp_path / "x", files | {"labels.csv": classed(["", "dog", "cat", ""] + ["cat", "dog"] * 4)})
    assert open_package(path).classes == ("cat", "dog")
