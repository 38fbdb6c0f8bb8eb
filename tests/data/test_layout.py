"""Folders and zips as people have them: pictures, masks, splits and classes are found by the names they have."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from pictured import box, encoded, opened, pairs, picture, placed, zipped

from lgbench.data import Split, folder_dataset, open_package
from lgbench.errors import BadData


def grey(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * 255


def check(splits: dict[str, Split], count: int) -> None:
    """All pictures are there, each with the mask of its number."""
    assert sum(map(len, splits.values())) == count
    for split in splits.values():
        assert split.masks is not None
        assert split.labels is None
        for name, mask in zip(split.names, split.masks, strict=True):
            number = "".join(filter(str.isdigit, Path(name).stem)) or Path(name).parent.name
            assert (mask == grey(box(int(number)))).all()


@pytest.mark.parametrize("packed", ["folder", "zip", "zip of the folder"])
@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{}.jpg", "masks/{}.png"),
        ("imgs/{}.png", "masks/{}.png"),
        ("image/{}.png", "mask/{}.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
        ("Images/{}.png", "Ground Truth/{}.png"),
        ("images/{}.png", "labels/{}.png"),
        ("images/{}.png", "annotations/trimaps/{}.png"),
        ("photos/{}.png", "gt/{}.png"),
        ("imgs/{}.png", "gt_masks/{}.png"),
        ("photo/{}.png", "mask_png/{}.png"),
        ("images/{}.png", "image_masks/{}.png"),
        ("leftImg8bit/{}.png", "gtFine/{}.png"),
        ("im/{}.png", "lbl/{}.png"),
        ("birds/{}.png", "masks/{}.png"),
        ("{}.png", "masks/{}.png"),
        ("{}.jpg", "{}_mask.png"),
        ("images/{}.png", "masks/{}.gif"),
        ("images/{}.tif", "masks/{}.tiff"),
        ("images/{}.bmp", "masks/{}.pgm"),
        ("images/{}.jpg", "masks/{}_mask.png"),
        ("images/{}.jpg", "masks/{}-mask.png"),
        ("images/{}.jpg", "masks/{}_gt.png"),
        ("images/{}.jpg", "masks/{}_seg.png"),
        ("images/{}.jpg", "masks/{}_Label.png"),
        ("images/img_{}.jpg", "masks/mask_{}.png"),
        ("images/img{}.jpg", "masks/mask{}.png"),
        ("images/{}_sat.jpg", "masks/{}_mask.png"),
        ("images/IMG_{}.JPG", "masks/img_{}.png"),
        ("images/{}.jpg", "images/{}_mask.png"),
        ("images/{}.jpg", "object_masks/{}.png"),
        ("images/{}.jpg", "seg_maps/{}.png"),
        ("images/{}.jpg", "SegmentationObject/{}.png"),
        ("img_dir/{}.jpg", "ann_dir/{}.png"),
        ("{}.jpg", "{}.png"),
        ("Imgs/{}.jpg", "Imgs/{}.png"),
        ("birds/{}.JPG", "birds/{}.bmp"),
        ("images/{}.jpg", "masks/{}.jpg.png"),
        ("{}/image.png", "{}/mask.png"),
        ("{}/img.jpg", "{}/label.png"),
        ("images/deep/{}.png", "masks/deep/{}.png"),
        ("images/deep/{}.png", "masks/{}.png"),
        (unicodedata.normalize("NFC", "images/café{}.png"), unicodedata.normalize("NFD", "masks/café{}.png")),
    ],
)
def test_masks_belong_to_pictures_whatever_they_are_called(tmp_path: Path, images: str, masks: str, packed: str):
    files = pairs(grey, image_name=images, mask_name=masks)
    if packed == "folder":
        return check(opened(placed(tmp_path / "x", files)), 16)
    below = "my data/" if packed == "zip of the folder" else ""
    return check(opened(zipped(tmp_path / "x.zip", {below + name: file for name, file in files.items()})), 16)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("training", "testing"),
        ("trainval", "test"),
        ("Train", "TEST"),
        ("training_set", "test_set"),
        ("train2017", "test2017"),
    ],
)
@pytest.mark.parametrize(
    "order", ["{split}/{role}/{name}", "{role}/{split}/{name}", "{split}_{role}/{name}", "some/{split}/{role}/{name}"]
)
def test_splits_and_roles_come_in_any_order(tmp_path: Path, order: str, train: str, test: str):
    files = {}
    for i in range(8):
        split = test if i < 2 else train
        files[order.format(split=split, role="images", name=f"{i}.jpg")] = encoded(picture(), "jpg")
        files[order.format(split=split, role="masks", name=f"{i}_mask.png")] = encoded(grey(box(i)))
    splits = opened(placed(tmp_path / "x", files))
    check(splits, 8)
    assert len(splits["test"]) == 2


@pytest.mark.parametrize("masks", ["masks/{}.png", "{}_mask.png"])
def test_a_few_masks_without_pictures_are_told(tmp_path: Path, masks: str):
    files = pairs(grey, image_name=masks.replace("masks", "images").replace("_mask", ""), mask_name=masks)
    for i in range(20, 26):
        files[masks.format(i)] = encoded(grey(box(i)))
    package = open_package(placed(tmp_path / "x", files))
    assert "6 masks without a picture" in package.notes[0]
    assert masks.format(20) in package.notes[0]


def test_masks_of_other_names_are_refused_with_the_nearest(tmp_path: Path):
    files = {f"images/photo number {i}.png": encoded(picture()) for i in range(4)}
    files |= {f"masks/number {i} x.png": encoded(grey(box(i))) for i in range(4)}
    with pytest.raises(BadData, match=r"nearest to images/photo number 0\.png is masks/number 0 x\.png"):
        opened(placed(tmp_path / "x", files))


def test_two_masks_of_one_name_are_refused(tmp_path: Path):
    files = pairs(grey) | {"masks/3.bmp": encoded(grey(box(5)), "bmp")}
    with pytest.raises(BadData, match=r"two masks of one name, masks/3\.bmp and masks/3\.png"):
        opened(placed(tmp_path / "x", files))


@pytest.mark.parametrize("others", ["coarse_masks/{}.png", "masks_of_others/masks/{}.png", "labels/{}.png"])
def test_of_two_folders_of_masks_the_likelier_is_read_and_the_other_told(tmp_path: Path, others: str):
    files = pairs(grey) | {others.format(i): encoded(grey(box(i + 1))) for i in range(16)}
    path = placed(tmp_path / "x", files)
    check(opened(path), 16)
    assert "16 " in open_package(path).notes[0]


@pytest.mark.parametrize(
    ("image", "mask", "told"),
    [
        ("{}.png", "{}_L.png", "16 pictures called as others are, with '_L' behind"),
        ("images/{}.png", "images/{}-bin.png", "16 pictures called as others are, with '-bin' behind"),
        ("{}.png", "other {}_mask.png", "16 pictures called as masks are (other 0_mask.png"),
        ("{}.png", "{}.gif", "16 pictures called as others are, with other endings"),
        ("{}.tif", "{}.bmp", "16 pictures called as others are, with other endings"),
        ("image/{}.png", "mask/other {}.png", "folders called as those of pictures and masks are"),
    ],
)
def test_pictures_that_may_be_masks_are_told(tmp_path: Path, image: str, mask: str, told: str):
    package = open_package(placed(tmp_path / "x", pairs(grey, image_name=image, mask_name=mask)))
    assert len(package.items) == 32
    assert told in package.notes[0]


@pytest.mark.parametrize("name", ["{}.png", "frame{}.png", "{}/a.png", "cat/{}_left.png"])
def test_pictures_that_are_just_numbered_are_not_taken_for_masks(tmp_path: Path, name: str):
    files = {name.format(i): encoded(picture()) for i in range(200)}
    package = open_package(placed(tmp_path / "x", files))
    assert (package.notes, package.classes, package.masked) == ((), (), False)


def test_two_pictures_of_one_name_do_not_share_a_mask(tmp_path: Path):
    files = pairs(grey) | {"images/3.jpg": encoded(picture(), "jpg")}
    with pytest.raises(BadData, match="several pictures named '3'"):
        opened(placed(tmp_path / "x", files))


def numbered(*names: str) -> dict[str, bytes]:
    return {name: encoded(picture()) for name in names}


def test_classes_that_are_numbers_come_in_their_order(tmp_path: Path):
    """The same class has the same index as a folder, as a label, and as a label that a spreadsheet has rounded."""
    files = numbered(*(f"{label}/{label}{name}.png" for label in range(1, 13) for name in "ab"))
    orders = [folder_classes(opened(placed(tmp_path / "x", files)))]
    for form in ("{}", "{}.0", "{:02}"):
        rows = [f"{name},{form.format(int(name.partition('/')[0]))}" for name in files]
        path = zipped(tmp_path / f"{form[1:3]}.zip", files | {"labels.csv": "\n".join(["file,label", *rows]).encode()})
        orders.append(folder_classes(opened(path)))
    assert orders[0] == {f"{label}/{label}{name}.png": label - 1 for label in range(1, 13) for name in "ab"}
    assert all(order == orders[0] for order in orders)


def folder_classes(splits: dict[str, Split]) -> dict[str, int]:
    found = {}
    for split in splits.values():
        assert split.labels is not None
        found |= dict(zip(split.names, split.labels.tolist(), strict=True))
    return found


@pytest.mark.parametrize("stray", ["cover.png", "z.jpg"])
def test_one_stray_picture_does_not_take_the_labels_of_all(tmp_path: Path, stray: str):
    files = numbered(stray, *(f"{label}/{label}{i}.png" for label in ("cat", "dog") for i in range(8)))
    package = open_package(placed(tmp_path / "x", files))
    assert package.classes == ("cat", "dog")
    assert len(package.items) == 16
    assert f"1 picture outside the folders of classes ({stray})" in package.notes[0]


@pytest.mark.parametrize(("folders", "told"), [(("x", "y"), True), (("x", "y", "z"), False), (("x", ""), False)])
def test_two_folders_of_the_same_names_may_be_pictures_and_masks_and_that_is_told(
    tmp_path: Path, folders: tuple[str, ...], told: bool
):
    files = {f"{folder}/{i}.png".strip("/"): encoded(picture()) for folder in folders for i in range(4)}
    notes = " ".join(open_package(placed(tmp_path / "p", files)).notes)
    assert ("if the folders x, y, whose files have the same names, are no classes, call one masks" in notes) == told


def test_many_pictures_beside_folders_have_no_classes_and_are_told(tmp_path: Path):
    files = numbered(*(f"{label}/{label}{i}.png" for label in ("", "cat", "dog") for i in range(8)))
    package = open_package(placed(tmp_path / "x", {name.removeprefix("/"): file for name, file in files.items()}))
    assert (package.classes, len(package.items)) == ((), 24)
    assert "classes, as 8 pictures lie beside the folders cat, dog" in package.notes[0]


def numbers(*folders: str) -> dict[str, bytes]:
    return {f"{folder}/{i}.png": encoded(picture()) for folder in folders for i in range(4)}


@pytest.mark.parametrize(
    ("folders", "unknown"),
    [
        (("train", "eval"), "eval"),
        (("training", "hold-out/x", "holdout/y"), "holdout"),
        (("train", "test-dev"), "test-dev"),
        (("learn", "test"), "learn"),
        (("trn", "tst"), "trn"),
        (("fold0", "fold1", "fold2"), "fold0"),
        (("images/train", "images/eval"), "eval"),
        (("cat/train", "cat/Eval", "dog/train", "dog/Eval"), "Eval"),
    ],
)
def test_folders_that_seem_to_be_unknown_splits_are_refused_by_name(tmp_path: Path, folders, unknown: str):
    files = numbers(*folders)
    with pytest.raises(BadData, match=f"seem to be splits, and '{unknown}' is not one of train, .*labels.csv"):
        open_package(placed(tmp_path / "x", files))
    rows = "".join(f"{name},{'test' if name.endswith('0.png') else 'train'}\n" for name in files)
    said = open_package(placed(tmp_path / "x", {"labels.csv": f"file,split\n{rows}".encode()}))
    assert (said.counts["test"], said.classes) == (len(folders), ("cat", "dog") if folders[0] == "cat/train" else ())


@pytest.mark.parametrize("folders", [("train", "bus"), ("tr", "bus", "cat"), ("all", "some")])
def test_a_class_may_be_called_as_a_split_is(tmp_path: Path, folders: tuple[str, ...]):
    assert open_package(placed(tmp_path / "x", numbers(*folders))).classes == tuple(sorted(folders))


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        (
            ["train/0.png", "train/1.png", "test/2.png", "cover.png"],
            "1 picture outside the folders of splits (cover.png)",
        ),
        (["train/0.png", "test/2.png", "extra/3.png"], "1 picture outside the folders of splits (extra/3.png)"),
        (["images/0.png", "images/1.png", "x.png"], "1 picture outside the folders of pictures and masks (x.png)"),
        (["0.png", "1.png", "README.txt", "a.json"], "README.txt; a.json"),
        (["0.png", "1.png", *(f"{i}.xml" for i in range(9))], "9 files ending in .xml (0.xml, ...)"),
        (["0.png", "1.heic"], "1.heic"),
    ],
)
def test_what_nobody_reads_is_named_in_one_line(tmp_path: Path, files: list[str], left_out: str):
    package = open_package(placed(tmp_path / "x", numbered(*files)))
    assert len(package.notes) == 1
    assert left_out in package.notes[0]
    assert "\n" not in package.notes[0]


def test_what_systems_leave_behind_is_not_told(tmp_path: Path):
    litter = [".DS_Store", "__MACOSX/._0.png", "Thumbs.db", "a/.hidden/0.png"]
    assert open_package(placed(tmp_path / "x", numbered("0.png", "1.png", *litter))).notes == ()
    assert open_package(zipped(tmp_path / "x.zip", numbered("0.png", "1.png", *litter))).notes == ()


def test_notes_are_logged_once_when_the_data_are_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    opened(placed(tmp_path / "x", numbered("0.png", "1.png", "notes.txt")))
    assert [record.getMessage() for record in caplog.records] == [f"Not read of {tmp_path / 'x'}: notes.txt."]


def test_links_to_folders_are_followed(tmp_path: Path):
    real, linked = placed(tmp_path / "real", pairs(grey)), tmp_path / "x"
    linked.mkdir()
    for name in ("images", "masks"):
        (linked / name).symlink_to(real / name, target_is_directory=True)
    (real / "images" / "up").symlink_to(real, target_is_directory=True)  # a ring ends
    check(opened(linked), 16)


@pytest.mark.parametrize("splits", [["test"], ["val", "test"]])
@pytest.mark.parametrize("kind", ["folders", "table"])
def test_data_without_train_pictures_are_refused(tmp_path: Path, splits: list[str], kind: str):
    files = numbered(*(f"{split}/{split}{i}.png" for split in splits for i in range(3)))
    if kind == "table":
        rows = [f"{name},{name.partition('/')[0]}" for name in files]
        files["index.csv"] = "\n".join(["image,split", *rows]).encode()
    with pytest.raises(BadData, match="nothing to train on"):
        folder_dataset(placed(tmp_path / "x", files))


def test_a_folder_may_have_a_table(tmp_path: Path):
    files = {f"{i}.png": encoded(picture()) for i in range(4)}
    files["labels.csv"] = b"file,label,split\n0.png,b,train\n1.png,a,test\n2.png,a,train\n"
    splits = opened(placed(tmp_path / "x", files))
    assert folder_classes(splits) == {"0.png": 1, "1.png": 0, "2.png": 0}
    assert "1 picture that no row of labels.csv names (3.png)" in open_package(tmp_path / "x").notes[0]
    before = splits["train"].origin
    (tmp_path / "x" / "labels.csv").write_text("file,label,split\n0.png,b,train\n1.png,a,test\n2.png,b,train\n")
    assert opened(tmp_path / "x")["train"].origin != before


@pytest.mark.parametrize("root", ["folder", "zip"])
def test_a_table_cannot_lead_out(tmp_path: Path, root: str):
    placed(tmp_path, {"secret.png": encoded(picture())})
    files = {"0.png": encoded(picture()), "index.csv": b"image,split\n0.png,train\n../secret.png,train\n"}
    path = placed(tmp_path / "x", files) if root == "folder" else zipped(tmp_path / "x.zip", files)
    with pytest.raises(BadData, match=r"\.\./secret\.png: leads out"):
        opened(path)


def test_the_shared_archives_are_understood(shared: Path):
    """What each archive is said to hold is what is found in it; nothing but columns of figures is left unread."""
    expected = {
        "camvid_128": ({"train": 367, "val": 101, "test": 233}, {"masks"}),
        "celeba10k_64": (None, {"attributes", "landmarks"}),
        "faces68_helen_afw_128": (None, {"landmarks"}),
        "flowers102_64": ({"train": 1020, "val": 1020, "test": 6149}, {"labels"}),
        "flowers102_masked_64": ({"train": 7807, "val": 142, "test": 240}, {"masks", "labels"}),
        "flowers17_masks_128": (None, {"masks", "labels"}),
        "pets_64": ({"train": 3294, "val": 386, "test": 3669}, {"masks"}),
        "weizmann_horses_128": (None, {"masks"}),
        "clothing_ccp_128x192": (None, {"masks"}),
    }
    for name, (counts, provides) in expected.items():
        package = open_package(shared / "data" / f"{name}.zip")
        assert package.provides == provides, name
        assert counts in (None, package.counts), name


@pytest.mark.parametrize("path", ["birds", "birds/", "birds/.", "birds/images/..", "birds/../birds"])
def test_a_folder_has_one_name_however_it_is_written(tmp_path: Path, path: str):
    placed(tmp_path / "birds", pairs(grey))
    assert folder_dataset(f"{tmp_path}/{path}").name == "folder:birds"


@pytest.mark.parametrize("name", ["table.csv", "my pictures.CSV", "lists/train.tsv"])
def test_a_table_under_another_name_is_told_with_the_name_that_is_read(tmp_path: Path, name: str):
    content = {**numbered("0.png", "1.png"), name: b"Filename;mask;class\n0.png;;a\n1.png;;b\n"}
    (note,) = open_package(placed(tmp_path / "x", content)).notes
    assert f"{name}, which has a column of pictures: call it labels.csv" in note
    (note,) = open_package(placed(tmp_path / "y", {**numbered("0.png", "1.png"), name: b"\xff,\0"})).notes
    assert note == f"Not read of {tmp_path / 'y'}: {name}."


@pytest.mark.parametrize("name", ["ImageSets/Segmentation/train.txt", "val.TXT"])
def test_lists_of_splits_are_told_where_splits_are_drawn(tmp_path: Path, name: str):
    content = {**numbered("0.png", "1.png"), name: b"0\n"}
    notes = open_package(placed(tmp_path / "x", content)).notes
    assert any(f"{name} may list splits, which are not read: test and train of " in note for note in notes)
    content["labels.csv"] = b"file,split\n0.png,train\n1.png,test\n"
    assert not any("may list splits" in note for note in open_package(placed(tmp_path / "y", content)).notes)
