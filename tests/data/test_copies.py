"""Tables of the pictures that two data sets share: each row is of the pictures that it names, and of no others."""

from pathlib import Path

import numpy as np
import pytest

from lgbench.data import Split, told_of_copies
from lgbench.errors import BadData


def split(*names: str) -> Split:
    """Pictures of these names, each with a mask of its own."""
    count = len(names)
    return Split(
        images=np.zeros((count, 3, 4, 4), np.uint8),
        masks=np.full((count, 4, 4), 255, np.uint8),
        read_names=lambda: names,
    )


def left(tmp_path: Path, text: str, scored: Split, train: Split) -> list[str]:
    """Names of the pictures that are left when those that were trained on are left out."""
    table = tmp_path / "copies.csv"
    table.write_text(text)
    return list(told_of_copies(scored, train, table, leave_out=True).names)


PETS = split("cats/1.jpg", "dogs/1.jpg", "dogs/2.jpg")


@pytest.mark.parametrize("row", ["dogs/1.jpg,a.jpg", "a.jpg,dogs/1.jpg", "Dogs\\1,A", "./dogs/1.png,a.jpg"])
def test_a_whole_path_is_of_one_picture(tmp_path: Path, row: str):
    assert left(tmp_path, row, PETS, split("a.jpg")) == ["cats/1.jpg", "dogs/2.jpg"]


def test_where_folders_are_the_data_sets_own_another_folder_is_another_picture(tmp_path: Path):
    # birds/2.jpg is of the data set, and not of the split that is scored
    text = "dogs/1.jpg,a.jpg\nbirds/2.jpg,b.jpg\n"
    assert left(tmp_path, text, PETS, split("a.jpg", "b.jpg")) == ["cats/1.jpg", "dogs/2.jpg"]


@pytest.mark.parametrize("row", ["2.jpg,a.jpg", "2,a", "jpg/2.jpg,a.jpg"])
def test_the_last_part_of_a_path_will_do_where_it_is_of_one_picture(tmp_path: Path, row: str):
    assert left(tmp_path, row, PETS, split("a.jpg")) == ["cats/1.jpg", "dogs/1.jpg"]


def test_an_ending_tells_pictures_apart(tmp_path: Path):
    assert left(tmp_path, "x.png,a.jpg", split("x.png", "x.jpg"), split("a.jpg")) == ["x.jpg"]


def test_a_number_is_a_name_before_it_is_the_end_of_one(tmp_path: Path):
    assert left(tmp_path, "7,9", split("7.jpg", "a-7.jpg"), split("9.jpg")) == ["a-7.jpg"]
    assert left(tmp_path, "7,9", split("image_0007.jpg", "image_0017.jpg"), split("b9.jpg")) == ["image_0017.jpg"]


@pytest.mark.parametrize(
    ("row", "scored", "train", "named"),
    [
        ("1,5", ("rose1.jpg", "tulip1.jpg"), ("lily5.jpg",), "rose1.jpg, tulip1.jpg"),
        ("5,1", ("lily5.jpg",), ("rose1.jpg", "tulip1.jpg"), "rose1.jpg, tulip1.jpg"),
        ("1.jpg,a.jpg", ("cats/1.jpg", "dogs/1.jpg"), ("a.jpg",), "cats/1.jpg, dogs/1.jpg"),
        ("1,a", ("1.jpg", "1.png", "2.png"), ("a.jpg",), "1.jpg, 1.png"),
    ],
)
def test_a_name_that_fits_several_pictures_is_refused_with_their_names(tmp_path: Path, row, scored, train, named: str):
    with pytest.raises(BadData, match=f"fits several pictures, {named}"):
        left(tmp_path, row, split(*scored), split(*train))


NUMBERED = split("0.png", "1.png", "2.png"), split("0.png", "1.png", "3.png")


def test_columns_that_may_be_either_data_sets_are_refused_with_what_to_do(tmp_path: Path):
    with pytest.raises(BadData, match="Call the columns scored and train in a first row"):
        left(tmp_path, "here,there\n0,1\n", *NUMBERED)


@pytest.mark.parametrize(
    ("text", "kept"), [("scored,train\n0,1", ["1.png", "2.png"]), ("Train;Scored\n0;1", ["0.png", "2.png"])]
)
def test_a_heading_tells_whose_columns_are(tmp_path: Path, text: str, kept: list[str]):
    assert left(tmp_path, text, *NUMBERED) == kept


@pytest.mark.parametrize("text", ["0,0\n1,1\n", "0,1\n1,0\n"])
def test_where_both_orders_choose_the_same_pictures_neither_has_to_be_told(tmp_path: Path, text: str):
    assert left(tmp_path, text, *NUMBERED) == ["2.png"]
