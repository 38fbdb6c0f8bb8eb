import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from lgbench.data import Split
from lgbench.errors import BadData, BadRecipe
from lgbench.runtime import Runtime
from lgbench.stage_configs import TrainingConfig
from lgbench.training import Schedule
from lgbench.training.stream import Stream, random_crops

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


# Crops that are cut down from larger pictures.


def textures(n: int, side: int = 256) -> np.ndarray:
    """Pictures with detail at every scale, (n, 3, side, side) uint8."""
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)) + 1 / side
    waves = np.fft.fft2(random.normal(size=(n, side, side))) / frequency
    grey = np.fft.ifft2(waves).real
    grey = 127.5 + 40 * (grey - grey.mean(axis=(1, 2), keepdims=True)) / grey.std(axis=(1, 2), keepdims=True)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, None], 3, axis=1)


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """As data sets are prepared."""
    small = [Image.fromarray(x[0]).resize((side, side), Image.Resampling.BILINEAR) for x in images]
    return np.repeat(np.stack([np.asarray(x) for x in small])[:, None], 3, axis=1)


def energy(images: torch.Tensor) -> float:
    """Mean absolute Laplacian."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    return float(torch.nn.functional.conv2d(images.mean(dim=1, keepdim=True), kernel).abs().mean())


def cut_from_originals(originals: np.ndarray, share: float, ratio: float, side: int) -> torch.Tensor:
    """The papers' way: a part of the original, resized with antialiasing."""
    maps = random_crops(len(originals), share, ratio, torch.Generator().manual_seed(0))
    out, whole = [], originals.shape[-1]
    for image, ((w, _, x), (_, h, y)) in zip(originals, maps.tolist(), strict=True):
        box = ((x + 1 - w) / 2 * whole, (y + 1 - h) / 2 * whole, (x + 1 + w) / 2 * whole, (y + 1 + h) / 2 * whole)
        box = tuple(min(max(end, 0), whole) for end in box)
        small = Image.fromarray(image[0]).resize((side, side), Image.Resampling.BILINEAR, box)
        out.append(torch.from_numpy(np.array(small)).expand(3, -1, -1))
    return torch.stack(out) / 127.5 - 1


@pytest.mark.parametrize(("share", "ratio"), [(0.8, 4 / 3), (0.79, 1.0), ((256 / 304) ** 2, 1.0)])
def test_crops_of_larger_pictures_have_the_detail_of_crops_of_the_originals(share: float, ratio: float):
    originals, training = textures(60), TrainingConfig(crop=share, crop_ratio=ratio)
    schedule = Schedule(1, 60, flip=False, crop=share, crop_ratio=ratio, side=64)
    expected = energy(cut_from_originals(originals, share, ratio, 64))
    larger = Stream(Split(resized(originals, training.prepared_side(64))), schedule, CPU)(0).images
    enlarged = Stream(Split(resized(originals, 64)), schedule, CPU)(0).images
    assert larger.shape == enlarged.shape == (60, 3, 64, 64)
    assert energy(larger) == pytest.approx(expected, rel=0.05)
    assert energy(enlarged) < 0.85 * expected
    assert larger.abs().max() <= 1


@pytest.mark.parametrize(("share", "factor"), [(0.79, 1.125), ((256 / 304) ** 2, 304 / 256)])
def test_squares_are_whole_pixels_of_the_larger_picture(share: float, factor: float):
    side = TrainingConfig(crop=share, crop_ratio=1).prepared_side(32)
    assert side == round(32 * factor)
    ramps = np.stack([*np.meshgrid(np.arange(side), np.arange(side)), np.zeros((side, side))]).astype(np.uint8)
    columns = np.broadcast_to(ramps[0], (300, side, side))
    split = Split(np.broadcast_to(ramps, (300, 3, side, side)), segments=columns, masks=columns)
    schedule = Schedule(1, 300, flip=True, crop=share, crop_ratio=1.0, side=32)
    batch = Stream(split, schedule, CPU, frozenset({"segments", "masks"}))(0)
    assert batch.segments is not None
    assert batch.masks is not None
    pixels = (batch.images + 1) * 127.5
    assert_close(pixels, pixels.round(), atol=1e-4, rtol=0)
    assert torch.equal(pixels[:, 0].round(), batch.segments.float())
    assert torch.equal((255 * batch.masks[:, 0]).round(), batch.segments.float())
    lowest = pixels[:, 1, 0, 0].round()
    assert torch.equal(pixels[:, 1, 31, 0].round(), lowest + 31)
    assert set(lowest.tolist()) == set(range(side - 31))  # every place, and none beyond


def test_without_crops_nothing_is_prepared_larger():
    assert [TrainingConfig().prepared_side(side) for side in (16, 64, 2048)] == [16, 64, 2048]
    assert TrainingConfig(crop=0.8).prepared_side(64) == 72
    assert TrainingConfig(crop=0.25).prepared_side(64) == 128


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
