import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.stream import Stream

CPU = Runtime(torch.device("cpu"), channels_last=False)


def numbered(n: int) -> np.ndarray:
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 1, 4, 4)).copy()


def drawn(stream: Stream, step: int) -> list[int]:
    return ((stream(step)[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_every_image_comes_once_an_epoch_in_a_fresh_order():
    stream = Stream(numbered(10), Schedule(1, 4, flip=False), CPU)
    seen = [index for step in range(5) for index in drawn(stream, step)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_batch_depends_on_seed_and_step_alone():
    first, later = (Stream(numbered(10), Schedule(1, 4, flip=False, seed=3), CPU) for _ in range(2))
    earlier = [drawn(first, step) for step in range(6)]
    assert drawn(later, 5) == earlier[5]
    assert drawn(Stream(numbered(10), Schedule(1, 4, flip=False, seed=4), CPU), 5) != earlier[5]


def test_about_half_of_the_images_are_mirrored():
    images = np.zeros((500, 3, 4, 4), np.uint8)
    images[..., 0] = 255
    x = Stream(images, Schedule(1, 500), CPU)(0)
    mirrored = (x[:, 0, 0, 3] > 0).float().mean()
    assert 0.4 < mirrored < 0.6


def test_grey_images_become_three_equal_channels_in_minus_one_to_one():
    x = Stream(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1), Schedule(1, 2, flip=False), CPU)(0)
    assert x.shape == (2, 3, 1, 1)
    assert sorted(x[:, 0].flatten().tolist()) == [-1, 1]
    assert torch.equal(x[:, 0], x[:, 2])


RAMPS = np.stack([*np.meshgrid(np.arange(32), np.arange(32)), np.zeros((32, 32))]).astype(np.uint8)
"""An image whose first two channels tell each pixel's column and row."""


def cropped(n: int = 400, **schedule) -> torch.Tensor:
    """Crops of the ramps, in pixels."""
    images = np.broadcast_to(RAMPS, (n, 3, 32, 32))
    return (Stream(images, Schedule(1, n, flip=False, **schedule), CPU)(0) + 1) * 127.5


def rectangles(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Width and height of what was cropped, as shares of the side: how fast the ramps rise."""
    return (x[:, 0, 16, 20] - x[:, 0, 16, 12]) / 8, (x[:, 1, 20, 16] - x[:, 1, 12, 16]) / 8


@pytest.mark.parametrize(("share", "ratio"), [(0.8, 4 / 3), (0.3, 4 / 3), (0.9, 2.0)])
def test_crops_keep_at_least_their_share_of_the_area_and_stay_within_their_side_ratio(share: float, ratio: float):
    width, height = rectangles(cropped(crop=share, crop_ratio=ratio))
    assert (width * height).min() > share - 1e-3
    assert (width * height).max() < 1 + 1e-3
    assert (width * height).max() - (width * height).min() > 0.9 * (1 - share)
    assert (width / height).max() < ratio + 1e-3
    assert (width / height).min() > 1 / ratio - 1e-3
    assert width.max() < 1 + 1e-3
    assert height.max() < 1 + 1e-3
    assert (width > height).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_a_side_ratio_of_one_gives_squares_of_one_size():
    """PerturbGAN: resized to 1.125 times the side, and a random square of the side cut out."""
    width, height = rectangles(cropped(crop=0.79, crop_ratio=1.0))
    side = torch.full_like(width, 0.79**0.5)
    assert_close(width, side, atol=1e-4, rtol=0)
    assert_close(height, side, atol=1e-4, rtol=0)


def test_crops_lie_anywhere_in_the_image_and_nowhere_outside():
    x = cropped(crop=0.25, crop_ratio=1.0)
    left, right = x[:, 0, 0, 0], x[:, 0, 0, -1]
    assert left.min() < 1
    assert right.max() > 30
    assert 3 < left.std() < 6  # uniform over 16 pixels: 4.6
    assert_close(x[:, 0, 0], x[:, 0, 31], atol=1e-3, rtol=0)  # columns stay upright


def test_a_crop_of_everything_is_no_crop():
    plain = cropped(crop=1.0, crop_ratio=2.0)
    assert torch.equal(plain, cropped())
    assert_close(plain[0], torch.from_numpy(RAMPS).float(), atol=1e-4, rtol=0)


def test_crops_depend_on_seed_and_step_alone():
    images = np.broadcast_to(RAMPS, (8, 3, 32, 32))

    def stream(seed: int) -> Stream:
        return Stream(images, Schedule(1, 8, flip=False, crop=0.5, seed=seed), CPU)

    first = stream(0)
    first(0)
    assert torch.equal(first(1), stream(0)(1))
    assert not torch.equal(first(1), first(0))
    assert not torch.equal(first(1), stream(1)(1))


def test_a_crop_leaves_the_order_of_images_and_the_mirroring_as_they_are():
    dark_or_bright = (np.arange(16) % 2 * 255).astype(np.uint8)
    images = np.broadcast_to(dark_or_bright[:, None, None, None], (16, 3, 8, 8))
    plain, crops = (Stream(images, Schedule(1, 8, crop=crop), CPU)(3).mean(dim=(1, 2, 3)) for crop in (1.0, 0.5))
    assert_close(plain, crops)
