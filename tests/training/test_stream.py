import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lgbench.data import Split
from lgbench.errors import BadData, BadRecipe
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.stream import Stream

CPU = Runtime(torch.device("cpu"), channels_last=False)


def numbered(n: int) -> np.ndarray:
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 1, 4, 4)).copy()


def drawn(stream: Stream, step: int) -> list[int]:
    return ((stream(step).images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_every_image_comes_once_an_epoch_in_a_fresh_order():
    stream = Stream(Split(numbered(10)), Schedule(1, 4, flip=False), CPU)
    seen = [index for step in range(5) for index in drawn(stream, step)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_batch_depends_on_seed_and_step_alone():
    first, later = (Stream(Split(numbered(10)), Schedule(1, 4, flip=False, seed=3), CPU) for _ in range(2))
    earlier = [drawn(first, step) for step in range(6)]
    assert drawn(later, 5) == earlier[5]
    assert drawn(Stream(Split(numbered(10)), Schedule(1, 4, flip=False, seed=4), CPU), 5) != earlier[5]


def test_about_half_of_the_images_are_mirrored():
    images = np.zeros((500, 3, 4, 4), np.uint8)
    images[..., 0] = 255
    x = Stream(Split(images), Schedule(1, 500), CPU)(0).images
    mirrored = (x[:, 0, 0, 3] > 0).float().mean()
    assert 0.4 < mirrored < 0.6


def test_grey_images_become_three_equal_channels_in_minus_one_to_one():
    x = Stream(Split(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)), Schedule(1, 2, flip=False), CPU)(0).images
    assert x.shape == (2, 3, 1, 1)
    assert sorted(x[:, 0].flatten().tolist()) == [-1, 1]
    assert torch.equal(x[:, 0], x[:, 2])


RAMPS = np.stack([*np.meshgrid(np.arange(32), np.arange(32)), np.zeros((32, 32))]).astype(np.uint8)
"""An image whose first two channels tell each pixel's column and row."""


def cropped(n: int = 400, **schedule) -> torch.Tensor:
    """Crops of the ramps, in pixels."""
    images = np.broadcast_to(RAMPS, (n, 3, 32, 32))
    return (Stream(Split(images), Schedule(1, n, flip=False, **schedule), CPU)(0).images + 1) * 127.5


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
        return Stream(Split(images), Schedule(1, 8, flip=False, crop=0.5, seed=seed), CPU)

    first = stream(0)
    first(0)
    assert torch.equal(first(1).images, stream(0)(1).images)
    assert not torch.equal(first(1).images, first(0).images)
    assert not torch.equal(first(1).images, stream(1)(1).images)


def test_a_crop_leaves_the_order_of_images_and_the_mirroring_as_they_are():
    dark_or_bright = (np.arange(16) % 2 * 255).astype(np.uint8)
    images = np.broadcast_to(dark_or_bright[:, None, None, None], (16, 3, 8, 8))
    plain, crops = (
        Stream(Split(images), Schedule(1, 8, crop=crop), CPU)(3).images.mean(dim=(1, 2, 3)) for crop in (1.0, 0.5)
    )
    assert_close(plain, crops)


def everything(n: int = 8) -> Split:
    """Pictures whose masks, instances and class maps show their columns, and whose other parts tell their number."""
    columns = np.broadcast_to(np.arange(16, dtype=np.uint8), (n, 16, 16))
    return Split(
        images=np.broadcast_to(10 * columns[:, None], (n, 3, 16, 16)),
        masks=10 * columns,
        instances=columns,
        labels=np.arange(n, dtype=np.int32),
        segments=columns,
        attributes=np.arange(n, dtype=np.uint8)[:, None] % 2,
        landmarks=np.arange(2 * n, dtype=np.float32).reshape(n, 1, 2),
    )


PARTS = frozenset({"masks", "instances", "labels", "segments", "attributes"})


def test_a_batch_holds_what_is_asked_for_and_nothing_else():
    batch = Stream(everything(), Schedule(1, 8, flip=False), CPU, PARTS | {"landmarks"})(0)
    assert batch.masks is not None
    assert batch.landmarks is not None
    assert batch.attributes is not None
    assert batch.labels is not None
    assert (batch.masks.shape, batch.masks.max().item()) == ((8, 1, 16, 16), pytest.approx(150 / 255))
    assert (batch.labels.dtype, batch.attributes.dtype) == (torch.int64, torch.float32)
    assert torch.equal(batch.labels % 2, batch.attributes[:, 0].long())
    assert torch.equal(batch.landmarks[:, 0, 0], 2.0 * batch.labels)
    assert Stream(everything(), Schedule(1, 8), CPU, frozenset({"labels"}))(0).masks is None


@pytest.mark.parametrize("schedule", [{"flip": True}, {"crop": 0.4}, {"flip": True, "crop": 0.5, "crop_ratio": 1.0}])
def test_what_is_known_of_pixels_follows_flips_and_crops(schedule):
    batch = Stream(everything(), Schedule(1, 8, **{"flip": False, **schedule}), CPU, PARTS)(0)
    columns = (batch.images[:, 0] + 1) * 127.5 / 10
    assert batch.masks is not None
    assert batch.segments is not None
    assert batch.instances is not None
    assert_close(batch.masks[:, 0] * 25.5, columns, atol=1e-3, rtol=0)
    assert torch.equal(batch.instances, batch.segments)
    assert batch.segments.dtype == torch.uint8
    assert (batch.segments - columns).abs().max() <= 0.5 + 1e-3  # a class map takes the nearest, and mixes nothing
    assert batch.segments.float().std() > 2


def test_landmarks_that_would_not_follow_a_flip_are_refused():
    with pytest.raises(BadRecipe, match="landmarks|Landmarks"):
        Stream(everything(), Schedule(1, 8), CPU, frozenset({"landmarks"}))


def test_what_a_data_set_lacks_is_named():
    with pytest.raises(BadData, match="no segments"):
        Stream(Split(numbered(10)), Schedule(1, 4, flip=False), CPU, frozenset({"segments"}))
