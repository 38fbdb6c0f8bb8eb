"""Masks and cut-outs of a user's own photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finished import finished, lgbench
from PIL import Image

from lgbench import load_run
from lgbench.cli.cutouts import foreground
from lgbench.data import folder_dataset
from lgbench.errors import BadData, NotAvailable
from lgbench.trained import Trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        return finished(tmp_path_factory.mktemp("runs"), "iou")


@pytest.fixture
def trained(run: Path) -> Trained:
    return load_run(run, "cpu")


def bright(images: torch.Tensor) -> torch.Tensor:
    """A segmenter whose answer is known: what is bright is foreground."""
    return (images.mean(dim=1, keepdim=True) + 1) / 2


def seeing(trained: Trained) -> Trained:
    assert trained.segmenter is not None
    return replace(trained, segmenter=replace(trained.segmenter, predict=bright))


def picture(height: int, width: int) -> np.ndarray:
    """Dark, with a bright quarter at its upper left."""
    pixels = np.full((height, width, 3), 20, np.uint8)
    pixels[: height // 2, : width // 2] = 230
    return pixels


@pytest.mark.parametrize("size", [(64, 64), (48, 200), (200, 48), (333, 77), (32, 32), (1, 1), (5, 90)])
def test_a_mask_is_as_large_as_its_photograph_and_lies_on_the_object(trained: Trained, size: tuple[int, int]):
    pixels = picture(*size)
    found = foreground(seeing(trained), pixels)
    assert found.shape == size
    assert (found == (pixels[..., 0] > 100)).mean() > 0.93


@pytest.mark.parametrize("parts", [1, 3])
def test_a_pixel_that_is_not_a_number_is_no_background_in_silence(trained: Trained, parts: int):
    def broken(images: torch.Tensor) -> torch.Tensor:
        found = bright(images).expand(-1, parts, -1, -1).clone()
        found[0, 0, 3, 5] = float("nan")
        return found

    assert trained.segmenter is not None
    diverged = replace(trained, segmenter=replace(trained.segmenter, predict=broken))
    with pytest.raises(NotAvailable, match="not finite: it has diverged"):
        foreground(diverged, picture(40, 40))


@pytest.mark.parametrize("fit", ["pad", "squeeze"])
def test_pictures_become_square_as_the_runs_data_did(trained: Trained, fit: str, tmp_path: Path):
    dataset = folder_dataset(photographs(tmp_path / "photos"))
    config = dataset.config(fit=fit)
    recipe = replace(trained.run.recipe, dataset=dataset, data_config=config)
    chosen = seeing(replace(trained, run=replace(trained.run, recipe=recipe)))
    for size in [(120, 60), (61, 122)]:
        found = foreground(chosen, picture(*size))
        assert found.shape == size
        assert (found == (picture(*size)[..., 0] > 100)).mean() > 0.9


def test_a_square_of_the_runs_size_is_segmented_as_the_test_images_are(trained: Trained, run: Path):
    assert trained.segmenter is not None
    assert trained.segmenter.predict is not None
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        image = trained.run.runtime.images(torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()))
        probability = trained.segmenter.predict(image)[0, 0].numpy()
    assert np.array_equal(foreground(trained, pixels), probability >= 0.5)


def photographs(folder: Path) -> Path:
    """An upright one, one that EXIF turns, one in a folder of its own, one that is no picture."""
    (folder / "more").mkdir(parents=True)
    Image.fromarray(picture(40, 60)).save(folder / "plain.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture(40, 60)).save(folder / "turned.jpg", exif=turned)
    Image.fromarray(picture(30, 30)[..., 0]).save(folder / "more" / "grey.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("mine")
    return folder


def test_photographs_get_masks_and_cutouts_and_what_is_unreadable_is_told(run: Path, tmp_path: Path):
    folder, out = photographs(tmp_path / "photos"), tmp_path / "out"
    result = lgbench("segment", run, folder, "--out", out, "--device", "cpu")
    assert result.exception is None, result.output
    assert "3 photographs" in result.output
    assert "1 could not be read" in result.output
    assert "broken.jpg" in result.output
    names = ["masks/more/grey.png", "masks/plain.png", "masks/turned.png"]
    assert sorted(path.relative_to(out).as_posix() for path in (out / "masks").rglob("*.png")) == names
    with Image.open(out / "masks" / "turned.png") as mask, Image.open(out / "cutouts" / "turned.png") as cutout:
        assert mask.size == cutout.size == (40, 60)
        assert {*np.unique(np.asarray(mask))} <= {0, 255}
        assert cutout.mode == "RGBA"
        assert np.array_equal(np.asarray(cutout)[..., 3], np.asarray(mask))


def test_nothing_is_overwritten_and_the_same_again_adds_nothing(run: Path, tmp_path: Path):
    folder, out = photographs(tmp_path / "photos"), tmp_path / "photos" / "out"
    (out / "masks").mkdir(parents=True)
    Image.new("L", (3, 3)).save(out / "masks" / "plain.png")
    for _ in range(2):
        assert lgbench("segment", run, folder, "--out", out, "--device", "cpu").exception is None
    with Image.open(out / "masks" / "plain.png") as mine:
        assert mine.size == (3, 3)
    assert {path.name for path in (out / "masks").glob("plain*")} == {"plain.png", "plain-2.png"}
    assert {path.name for path in (out / "cutouts").glob("plain*")} == {"plain-2.png"}


@pytest.mark.parametrize("place", [".", "..", "../photos", "more", "out"])
def test_pictures_beside_what_is_written_are_all_found_again(run: Path, tmp_path: Path, place: str):
    folder = photographs(tmp_path / "photos")
    out = folder / place
    for _ in range(2):
        result = lgbench("segment", run, folder, "--out", out, "--device", "cpu")
        assert result.exception is None, result.output
        assert "3 photographs" in result.output
    assert len([*(out / "masks").rglob("*.png")]) == len([*(out / "cutouts").rglob("*.png")]) == 3


@pytest.mark.parametrize("kind", ["masks", "cutouts"])
@pytest.mark.parametrize("below", ["", "more"])
def test_pictures_that_lie_where_masks_are_to_be_written_are_refused_with_what_to_change(
    run: Path, tmp_path: Path, kind: str, below: str
):
    photographs(tmp_path / kind)
    refused = lgbench("segment", run, tmp_path / kind / below, "--out", tmp_path, "--device", "cpu").exception
    assert isinstance(refused, BadData)
    assert f"where --out {tmp_path} has its {kind}. Name another --out" in str(refused)


def test_a_folder_without_a_readable_picture_and_a_run_without_segmenter_are_told(
    run: Path, trained: Trained, tmp_path: Path
):
    (tmp_path / "empty").mkdir()
    assert isinstance(lgbench("segment", run, tmp_path / "empty").exception, BadData)
    (tmp_path / "empty" / "x.png").write_bytes(b"x")
    assert "None of the 1 pictures" in str(lgbench("segment", run, tmp_path / "empty", "--device", "cpu").exception)
    with pytest.raises(NotAvailable, match="taught no segmenter"):
        foreground(replace(trained, segmenter=None), picture(4, 4))
