"""Masks of a supervised network: made by a stand-in, kept, and marked wherever they are read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from lgbench.cli import group
from lgbench.data import Sample, pseudo_masks_in
from lgbench.data.pseudo import MODELS, PseudoMaker, draw_masks, largest_instance, load_detector
from lgbench.errors import BadData, BadRecipe

MAKER = PseudoMaker("maskrcnn_resnet50_fpn", "ab" * 32, "car")
CAR, OTHER = 3, 7


class Finds(nn.Module):
    """Finds, in any picture, instances of these (category, score, width), each as wide as it says."""

    def __init__(self, *found: tuple[int, float, int]) -> None:
        super().__init__()
        self.found, self.place = found, nn.Parameter(torch.zeros(1))

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        (image,) = images
        assert 0 <= image.min() <= image.max() <= 1
        masks = torch.full((len(self.found), 1, *image.shape[1:]), 0.4)
        for mask, (_, _, width) in zip(masks, self.found, strict=True):
            mask[..., :width] = 0.6
        labels, scores, _ = zip(*self.found, strict=True) if self.found else ((), (), ())
        return [{"labels": torch.tensor(labels).long(), "scores": torch.tensor(scores).float(), "masks": masks}]


PICTURE = np.full((6, 8, 3), 200, np.uint8)


@pytest.mark.parametrize(
    ("found", "width"),
    [
        ([(CAR, 0.9, 2), (CAR, 0.5, 4), (CAR, 0.6, 3)], 4),  # the largest, not the surest
        ([(CAR, 0.9, 2), (OTHER, 0.99, 6), (CAR, 0.49, 5)], 2),  # of the category, and sure enough
        ([(OTHER, 0.99, 6)], None),
        ([(CAR, 0.9, 0)], None),
        ([], None),
    ],
)
def test_the_largest_sure_instance_of_the_category_is_the_mask(found: list, width: int | None):
    mask = largest_instance(Finds(*found), CAR)(PICTURE)
    if width is None:
        assert mask is None
    else:
        assert mask is not None
        assert (mask == (np.arange(8) < width)[None].repeat(6, 0)).all()


def pictures(count: int = 4) -> Iterator[Sample]:
    return (Sample(image=np.full((6, 8), 10 * i, np.uint8), name=f"cars_test/{i}.jpg") for i in range(count))


def bright(image: np.ndarray) -> np.ndarray | None:
    assert image.shape == (6, 8, 3)
    return None if image.max() < 10 else image[..., 0] > 0


def test_masks_lie_as_their_pictures_and_those_without_an_object_have_none(tmp_path: Path):
    folder = tmp_path / "pseudo"
    assert draw_masks(pictures(), bright, MAKER, folder) == (4, 3)
    assert sorted(path.name for path in (folder / "cars_test").iterdir()) == ["1.png", "2.png", "3.png"]
    assert pseudo_masks_in(folder) == "car by maskrcnn_resnet50_fpn, weights abababababab"
    assert pseudo_masks_in(tmp_path) == ""


def test_what_was_cut_short_is_refused_until_it_went_on_and_makers_do_not_mix(tmp_path: Path):
    folder, seen = tmp_path / "pseudo", []

    def fails(image: np.ndarray) -> np.ndarray | None:
        seen.append(int(image.max()))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return bright(image)

    with pytest.raises(KeyboardInterrupt):
        draw_masks(pictures(), fails, MAKER, folder)
    with pytest.raises(BadData, match="not all made"):
        pseudo_masks_in(folder)
    with pytest.raises(BadRecipe, match="--into"):
        draw_masks(pictures(), bright, PseudoMaker("maskrcnn_resnet50_fpn", "cd" * 32, "car"), folder)
    seen[:] = [0] * 3
    assert draw_masks(pictures(), fails, MAKER, folder) == (4, 3)
    assert 10 not in seen[3:]  # it had its mask


def test_weights_are_known_by_their_hash_and_hold_this_network(tmp_path: Path):
    path = tmp_path / "weights.pth"
    torch.save({}, path)
    with pytest.raises(BadData, match=rf"not {MODELS['maskrcnn_resnet50_fpn']}.*--sha256"):
        load_detector("maskrcnn_resnet50_fpn", path, "car")
    with pytest.raises(BadRecipe, match="no model"):
        load_detector("maskrcnn", path, "car")
    with pytest.raises(BadRecipe, match="COCO has no 'flower'"):
        load_detector("maskrcnn_resnet50_fpn", path, "flower")
    from lgbench.files import sha256_of_file

    with pytest.raises(BadData, match="does not hold this network's weights"):
        load_detector("maskrcnn_resnet50_fpn", path, "car", sha256_of_file(path)[:12])


@pytest.mark.parametrize("digits", [1, 7])
def test_a_hash_of_too_few_digits_is_refused_though_they_are_right(tmp_path: Path, digits: int):
    from lgbench.files import sha256_of_file

    path = tmp_path / "weights.pth"
    torch.save({}, path)
    stated = sha256_of_file(path)[:digits]
    with pytest.raises(BadRecipe, match=rf"--sha256 {stated} has {digits} digits: at least 8"):
        load_detector("maskrcnn_resnet50_fpn", path, "car", stated)


def test_a_data_set_that_reads_no_such_masks_is_refused(tmp_path: Path):
    (tmp_path / "w.pth").write_bytes(b"")
    result = CliRunner().invoke(group, ["data", "pseudo-masks", "flora", "--weights", str(tmp_path / "w.pth")])
    assert isinstance(result.exception, BadRecipe) or result.exit_code
    assert "cars" in (result.output + str(result.exception))
