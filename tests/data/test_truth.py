"""Truth that is partial, ignored in part, or lost on the way: scores read what is left, and users are told."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictured import SIDE, box, encoded, opened, pairs, picture, placed, zipped

from lgbench.data import (
    DataHome,
    MaskConfig,
    RawDataset,
    Sample,
    Split,
    folder_dataset,
    open_dataset,
    prepare,
    prepared_folders,
)
from lgbench.data.squares import Square
from lgbench.errors import BadData, BadRecipe
from lgbench.evaluation.parts import PARTS
from lgbench.settings import plain
from lgbench_metrics.masks.confusion import iou, score_masks


def grey(mask: np.ndarray, high: int = 255) -> np.ndarray:
    return mask.astype(np.uint8) * high


def check_masks(split: Split, having: set[int]) -> None:
    """Which pictures have truth, and that it is theirs."""
    numbers = [int(Path(name).stem) for name in split.names]
    if split.masks is None:
        assert not having & {*numbers}
        return
    masked = np.ones(len(split), bool) if split.masked is None else split.masked
    assert {number for number, here in zip(numbers, masked, strict=True) if here} == having & {*numbers}
    for number, mask in zip(numbers, split.masks, strict=True):
        assert (mask == (grey(box(number)) if number in having else 0)).all()


@pytest.mark.parametrize("packed", ["folder", "table"])
def test_pictures_without_masks_train_and_are_not_scored(tmp_path: Path, packed: str, caplog: pytest.LogCaptureFixture):
    files = pairs(grey)
    for number in range(1, 16, 2):
        del files[f"masks/{number}.png"]
    path = placed(tmp_path / "x", files)
    if packed == "table":
        rows = [f"images/{i}.png,{'' if i % 2 else f'masks/{i}.png'}" for i in range(16)]
        path = zipped(tmp_path / "x.zip", files | {"index.csv": "\n".join(["image,mask", *rows]).encode()})
    splits = opened(path)
    assert sum(map(len, splits.values())) == 16
    for split in splits.values():
        check_masks(split, {*range(0, 16, 2)})
    scored = splits["train"].scored()
    assert scored.masked is not None
    assert scored.masked.all()
    assert {int(Path(name).stem) % 2 for name in scored.names} == {0}
    assert scored.fingerprint != splits["train"].fingerprint
    assert "Masks are known of" in caplog.text
    assert "scores leave the others out. Those of train are trained on all the same." in caplog.text


def test_of_pictures_without_masks_those_of_train_alone_are_said_to_be_trained_on(tmp_path: Path, caplog):
    files = pairs(grey, 4, "train/images/{}.png", "train/masks/{}.png")
    files |= pairs(grey, 4, "test/images/{}.png", "test/masks/{}.png")
    del files["test/masks/3.png"]
    opened(placed(tmp_path / "x", files))
    assert "3 of 4 test pictures; scores leave the others out" in caplog.text
    assert "trained on" not in caplog.text


def test_masks_may_be_there_for_the_test_pictures_only(tmp_path: Path):
    files = {f"train/images/{i}.png": encoded(picture()) for i in range(8)}
    files |= pairs(grey, 4, "test/images/{}.png", "test/masks/{}.png")
    splits = opened(placed(tmp_path / "x", files))
    assert splits["train"].masks is None
    check_masks(splits["test"], {0, 1, 2, 3})
    with pytest.raises(BadData, match="no masks"):
        splits["train"].scored()
    assert splits["test"].scored() is splits["test"]


def test_what_learns_from_masks_is_refused_where_some_are_missing(tmp_path: Path):
    files = pairs(grey)
    del files["masks/3.png"]
    train = opened(placed(tmp_path / "x", files))["train"]
    with pytest.raises(BadData, match="pictures here .* have a mask, and one is asked of all"):
        train.known(slice(None), {"masks"})
    assert train.scored().known(slice(None), {"masks"})["masks"].shape == (len(train) - 1, 8, 8)


def test_all_parts_follow_the_choice_of_images(tmp_path: Path):
    files = {f"{name}/{i}.png": encoded(picture()) for name in ("cat", "dog") for i in range(8)}
    files |= {f"masks/{name}/{i}.png": encoded(trimap(i)) for name in ("cat", "dog") for i in range(0, 8, 2)}
    train = opened(placed(tmp_path / "x", files), ignore="2")["train"]
    dogs = train.only("dog")
    assert dogs.masked is not None
    assert dogs.ignored is not None
    assert [bool(here) for here in dogs.masked] == [int(Path(name).stem) % 2 == 0 for name in dogs.names]
    assert (dogs.ignored.any(axis=(1, 2)) == dogs.masked).all()


def trimap(number: int, side: int = 8) -> np.ndarray:
    """The box, with a border of 2 around it."""
    values = grey(np.kron(box(number), np.ones((side // 8, side // 8), bool)), 1)
    grown = np.zeros_like(values)
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            grown |= np.roll(values, (y, x), (0, 1))
    return np.where(values == 1, 1, grown * 2).astype(np.uint8)


def trimaps(**options) -> dict[str, bytes]:
    files = {f"images/{i}.png": encoded(picture()) for i in range(16)}
    return files | {f"masks/{i}.png": encoded(trimap(i)) for i in range(16)}


def test_a_trimaps_border_is_left_out_of_scores(tmp_path: Path):
    for split in opened(placed(tmp_path / "x", trimaps()), ignore="2").values():
        assert split.masks is not None
        assert split.ignored is not None
        assert split.ignored.dtype == bool
        assert "ignored" in split.provides
        for name, mask, ignored in zip(split.names, split.masks, split.ignored, strict=True):
            number = int(Path(name).stem)
            assert (mask == grey(box(number))).all()
            assert (ignored == (trimap(number) == 2)).all()
        generous = (split.masks > 127) | split.ignored
        assert score_masks(iou, generous, split.masks > 127).value < 0.5
        assert score_masks(iou, generous, split.masks > 127, ignored=split.ignored[:]).value == 1


def test_what_is_ignored_has_no_part_in_smaller_masks():
    """A pixel is what the known pixels below it are; it is ignored where most of them are."""
    mask, ignored = np.zeros((8, 8), np.uint8), np.zeros((8, 8), bool)
    mask[:, 4:] = 255
    ignored[:, 3:4] = True
    mask[:, 3:4] = 77  # whatever is said there
    opaque, left_out = Square("center", 8).mask(mask, ignored)
    assert left_out is not None
    assert (left_out == ignored).all()
    assert (opaque[:, :3] == 0).all()
    assert (opaque[:, 4:] == 255).all()
    opaque, left_out = Square("center", 2).mask(mask, ignored)
    assert left_out is not None
    assert not left_out.any()
    assert (opaque[:, 0] < 64).all()
    assert (opaque[:, 1] > 191).all()
    ignored[:] = True
    assert Square("center", 2).mask(mask, ignored)[1].all()  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ignore": "3"}, r"data.ignore=3 names 3, which no mask .* are 0, 1, 2"),
        ({"ignore": "1", "foreground": "1"}, "1 cannot be foreground and ignored"),
        ({"ignore": "border"}, "ignore = 'border'"),
        ({"fit": "stretch"}, "fit = 'stretch' is none of crop, pad, squeeze"),
        ({"backdrop": "sky"}, "backdrop = 'sky' is no colour"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, settings: dict, said: str):
    with pytest.raises((BadData, BadRecipe), match=said):
        opened(placed(tmp_path / "x", trimaps()), **settings)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"foreground": "9,8"}, {"foreground": " 8, 9,8"}),
        ({"ignore": "2"}, {"ignore": " 02"}),
        ({"backdrop": "#FFF"}, {}),
        ({"backdrop": "Black"}, {"backdrop": "#000000"}),
    ],
)
def test_settings_that_mean_the_same_are_the_same(one: dict, same: dict):
    assert plain(MaskConfig(**one)) == plain(MaskConfig(**same))


def test_new_settings_are_hashed_only_where_they_are_not_the_default():
    assert plain(MaskConfig()) == {"foreground": ""}
    assert plain(MaskConfig(ignore="2")) == {"foreground": "", "ignore": "2"}
    assert plain(MaskConfig(fit="pad", backdrop="black")) == {
        "foreground": "",
        "fit": "pad",
        "backdrop": "#000000",
    }


def wide(number: int, at: int, height: int = 16, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A dark picture with a bright square of 8 pixels whose left edge is at `at`, and its mask."""
    mask = np.zeros((height, width), bool)
    mask[4:12, at : at + 8] = True
    return np.where(mask[..., None], 250, 10 + number).repeat(3, axis=2).astype(np.uint8), mask


def stored(folder: Path, places: list[int], **size: int) -> Path:
    files = {}
    for i, at in enumerate(places):
        image, mask = wide(i, at, **size)
        files |= {f"images/{i}.png": encoded(image), f"masks/{i}.png": encoded(grey(mask))}
    return placed(folder, files)


@pytest.mark.parametrize("fit", ["crop", "pad", "squeeze"])
@pytest.mark.parametrize(("height", "width"), [(16, 32), (33, 16), (17, 17)])
def test_pictures_and_masks_become_square_alike(tmp_path: Path, fit: str, height: int, width: int):
    path = stored(tmp_path / "x", [width // 2 - 4] * 16, height=height, width=width)
    side = 16 if fit == "crop" else 32
    for split in opened(path, side, fit=fit, backdrop="black").values():
        assert split.masks is not None
        assert split.images.shape[-2:] == split.masks.shape[-2:] == (side, side)
        brightness, mask = split.images[:, 0].astype(int), split.masks.astype(int)
        assert (((brightness > 127) == (mask > 127)) | (abs(mask - 127) < 20)).all()
        assert split.crop == {"crop": "center"}.get(fit, fit)


def test_padding_shows_all_of_a_picture_on_the_backdrop(tmp_path: Path):
    path = stored(tmp_path / "x", [0] * 16, height=16, width=32)
    split = opened(path, 32, fit="pad", backdrop="#102030")["train"]
    assert split.masks is not None
    assert split.images.shape[1:] == (3, 32, 32)
    assert (split.images[:, :, 0, 0] == [0x10, 0x20, 0x30]).all()
    assert (split.images[:, :, -1, -1] == [0x10, 0x20, 0x30]).all()
    assert (split.masks[:, 12:20, :8] == 255).all()
    assert (split.masks > 0).sum(axis=(1, 2)).tolist() == [64] * len(split)


@pytest.mark.parametrize("crop", ["center", "pad", "squeeze"])
@pytest.mark.parametrize("size", [(16, 32), (33, 16), (12, 19)])
def test_landmarks_stay_on_what_they_mark(crop: str, size: tuple[int, int]):
    """A marked block of pixels and the landmark in its middle end in the same place."""
    height, width = size
    picture = np.zeros((height, width), np.uint8)
    y, x = height // 2 - 1, width // 2 - 2
    picture[y : y + 3, x : x + 3] = 255
    square = Square(crop, 64, (0, 0, 0))
    shown = square.image(picture).astype(float)
    ((at_x, at_y),) = square.landmarks(np.array([[x + 1, y + 1]]), size)
    rows, columns = np.mgrid[:64, :64]
    assert (rows * shown).sum() / shown.sum() == pytest.approx(at_y, abs=0.3)
    assert (columns * shown).sum() / shown.sum() == pytest.approx(at_x, abs=0.3)


def test_class_maps_have_no_class_where_nothing_is_shown():
    assert (Square("pad", 8).nearest(np.zeros((4, 8), np.uint8), 255)[[0, -1]] == 255).all()


@pytest.mark.parametrize(
    ("places", "side", "said"),
    [([0] * 20, 16, "20.* to the crop .*data.fit=pad"), ([28] * 20, 4, "to the size .a higher resolution")],
)
def test_a_split_whose_objects_are_all_lost_is_refused(tmp_path: Path, places: list[int], side: int, said: str):
    path = stored(tmp_path / "x", places, **({} if side == 16 else {"height": 64, "width": 64}))
    if side == 4:  # the object is smaller than half a pixel
        for file in (path / "masks").iterdir():
            mask = np.zeros((64, 64), np.uint8)
            mask[20:24, 20:24] = 255
            file.write_bytes(encoded(mask))
    with pytest.raises(BadData, match=f"All .* masks of .* lost their object.*{said.removeprefix('20.*')}"):
        opened(path, side)


def test_lost_objects_are_counted_and_not_scored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Finding nothing scores nothing where the crop removed the object, instead of 1."""
    path = stored(tmp_path / "x", [0, 28] * 20)
    splits = opened(path, 16)
    lost = 0
    for split in splits.values():
        assert split.masks is not None
        assert split.masked is not None
        assert [int(Path(name).stem) % 2 == 1 for name in split.names] == split.masked.tolist()
        scored = split.scored()
        assert scored.masks is not None
        nothing = np.zeros(scored.masks.shape, bool)
        assert score_masks(iou, nothing, scored.masks > 127).value == 0
        lost += split.lost["crop"]
    assert lost == 20
    assert "20 masks lost the object, or all but it, and cannot be scored: 20 to the crop" in caplog.text


def test_masks_that_lost_their_background_cannot_be_scored_either(tmp_path: Path):
    """Finding everything would be right where an object fills what the crop shows."""
    samples = []
    for i in range(4):
        mask = np.ones((8, 24), bool)
        mask[:, : 4 if i % 2 else 12] = False
        samples.append(Sample(picture(8, 24), mask=mask, name=str(i)))
    raw = RawDataset({"train": lambda: samples}, {"train": 4}, "made", frozenset({"masks"}))
    split = prepare(raw, "made", {}, 8, tmp_path)["train"]
    assert split.masked is not None
    assert split.masked.tolist() == [True, False, True, False]
    assert split.lost == {"crop": 2}


@pytest.mark.parametrize(("lacks", "value"), [("object", False), ("background", True)])
def test_masks_that_were_one_sided_from_the_start_are_truth_counted_and_told(
    tmp_path: Path, lacks: str, value: bool, caplog: pytest.LogCaptureFixture
):
    whole = {f"masks/{i}.png": encoded(grey(np.full_like(box(), value))) for i in range(0, 40, 4)}
    splits = opened(placed(tmp_path / "x", pairs(grey, 40) | whole))
    assert all(split.masked is None for split in splits.values())
    for split in splits.values():
        here = sum(int(Path(name).stem) % 4 == 0 for name in split.names)
        assert split.one_sided == ({lacks: here} if here else {})
    counted = len([name for name in splits["test"].names if int(Path(name).stem) % 4 == 0])
    assert f"{counted} of {len(splits['test'])} test masks show no {lacks}" in caplog.text
    assert "from the start" in caplog.text


def test_a_mask_is_one_sided_where_nothing_is_left_out():
    masks, ignored = np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4), bool)
    masks[:, :2] = 255
    ignored[0, :2], ignored[1, 2:] = True, True
    split = Split(np.zeros((3, 3, 4, 4), np.uint8), masks, ignored)
    assert split.one_sided == {"object": 1, "background": 1}
    known = Split(np.zeros((3, 3, 4, 4), np.uint8), masks, ignored, masked=np.array([False, True, True]))
    assert known.one_sided == {"background": 1}


def test_objects_that_were_lost_are_not_told_as_never_there(tmp_path: Path):
    for split in opened(stored(tmp_path / "x", [0, 28] * 20), 16).values():
        assert split.lost["crop"]
        assert split.one_sided == {}


def test_arrays_that_were_prepared_before_losses_were_counted_are_made_again(tmp_path: Path):
    from lgbench.files import read_json, write_json

    path = stored(tmp_path / "x", [0, 28] * 20)
    first = opened(path, 16)
    prepared = DataHome(tmp_path / "home").prepared_root
    for meta in prepared.glob("*/*/meta.json"):
        facts = read_json(meta)
        del facts["facts"], facts["seal"]
        write_json(meta, facts | {"parts": [part for part in facts["parts"] if part != "masked"]})
    assert {name: split.fingerprint for name, split in opened(path, 16).items()} == {
        name: split.fingerprint for name, split in first.items()
    }


@pytest.mark.parametrize(("backdrop", "seen"), [({}, 255), ({"backdrop": "black"}, 0), ({"backdrop": "#808080"}, 128)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_shows_the_backdrop(
    tmp_path: Path, backdrop: dict, seen: int, mode: str, caplog: pytest.LogCaptureFixture
):
    from PIL import Image

    files = {}
    for i in range(12):
        image = Image.fromarray(np.dstack([picture(), grey(box(i))])).convert(mode)
        files[f"{i}.png"] = encoded(image)
    splits = open_dataset(folder_dataset(placed(tmp_path / "x", files)), backdrop, 8, DataHome(tmp_path / "home"))
    for split in splits.values():
        assert split.channels == (3 if mode == "RGBA" else 1)
        for name, image in zip(split.names, split.images, strict=True):
            hidden = ~box(int(Path(name).stem))
            assert (image[:, hidden] == seen).all()
            assert (image[:, ~hidden] != seen).any()
    assert "12 pictures: transparent in part; the colour behind is data.backdrop" in caplog.text


def test_films_are_read_up_to_their_first_frame_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    from PIL import Image

    frames = [Image.fromarray(picture()) for _ in range(3)]
    files = {f"{i}.gif": encoded(frames[0], "gif", save_all=True, append_images=frames[1:]) for i in range(4)}
    opened(placed(tmp_path / "x", files))
    assert "4 pictures: several frames; the first is read" in caplog.text


def test_truth_that_no_person_drew_is_told_from_other_truth_wherever_it_is_scored(tmp_path: Path):
    raw = folder_dataset(placed(tmp_path / "x", pairs(grey))).build(MaskConfig(), SIDE, DataHome(tmp_path))
    drawn = prepare(raw, "x", {}, SIDE, tmp_path / "prepared")["test"]
    by_network = replace(raw, pseudo={"masks": "a network's"})
    found = prepare(by_network, "x", {}, SIDE, tmp_path / "prepared")["test"]
    assert len(prepared_folders(tmp_path / "prepared", "x")) == 2
    said = [PARTS["true_masks"].protocol(SimpleNamespace(test=split, shown=split)) for split in (drawn, found)]
    assert said == [{"pseudo": None}, {"pseudo": "a network's"}]
