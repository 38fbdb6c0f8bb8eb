"""Masks that learn nothing: on pictures whose parts are known."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans

from lgbench_floors.trivial import TRIVIAL, centre_ellipse, commit_by_border, otsu, trivial_mask, two_means


def trivial_masks(images: np.ndarray) -> dict[str, np.ndarray]:
    return {name: trivial_mask(name, images) for name in TRIVIAL}


def square(background: tuple[int, int, int], foreground: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of one square, (1, 3, 24, 24) uint8, and its mask."""
    mask = np.zeros((1, 24, 24), bool)
    mask[0, 6:16, 5:18] = True
    colours = np.where(mask[:, None], np.reshape(foreground, (3, 1, 1)), np.reshape(background, (3, 1, 1)))
    noise = np.random.default_rng(0).integers(-20, 21, size=colours.shape)
    return (colours + noise).clip(0, 255).astype(np.uint8), mask


@pytest.mark.parametrize(
    ("background", "foreground"),
    [((40, 40, 40), (200, 200, 200)), ((220, 210, 200), (60, 30, 50))],
    ids=["bright", "dark"],
)
def test_otsu_and_two_means_find_a_square_brighter_or_darker_than_its_ground(background, foreground):
    images, truth = square(background, foreground)
    masks = trivial_masks(images)
    assert_array_equal(masks["otsu"], truth)
    assert_array_equal(masks["two-means"], truth)


def test_two_means_sees_colours_that_grey_does_not():
    images, truth = square((150, 60, 60), (40, 105, 150))
    masks = trivial_masks(images)
    assert_array_equal(masks["two-means"], truth)
    assert (masks["otsu"] != truth).mean() > 0.1


def test_the_ellipse_and_the_constants_are_what_their_names_say():
    masks = trivial_masks(np.zeros((3, 3, 60, 60), np.uint8))
    assert set(masks) == {"empty", "full", "centre-ellipse", "otsu", "two-means"}
    assert all(mask.shape == (3, 60, 60) and mask.dtype == bool for mask in masks.values())
    assert not masks["empty"].any()
    assert masks["full"].all()
    assert masks["centre-ellipse"].mean() == pytest.approx(np.pi / 9, abs=0.01)
    ellipse = centre_ellipse(40, 20)
    assert_array_equal(ellipse, ellipse[::-1, ::-1])


def test_a_constant_picture_has_no_foreground():
    for grey in (0, 128, 255):
        masks = trivial_masks(np.full((1, 3, 16, 16), grey, np.uint8))
        assert not masks["otsu"].any()
        assert not masks["two-means"].any()


def test_polarity_follows_the_border_and_then_the_area():
    _, truth = square((0, 0, 0), (255, 255, 255))
    assert_array_equal(commit_by_border(truth), truth)
    assert_array_equal(commit_by_border(~truth), truth)
    halves = np.zeros((1, 4, 4), bool)
    halves[0, :2] = True
    assert_array_equal(commit_by_border(halves), halves)
    halves[0, 1:3, 1:3] = True  # half of the border, and now more than half of the area
    assert_array_equal(commit_by_border(halves), ~halves)


def test_otsu_takes_the_threshold_with_the_least_variance_within():
    images = np.random.default_rng(0).integers(256, size=(5, 1, 12, 12)).repeat(3, axis=1).astype(np.uint8)
    for image, mask in zip(images, otsu(images), strict=True):
        grey = image[0].astype(float)
        within = {t: sum(p.size * p.var() for p in (grey[grey <= t], grey[grey > t]) if p.size) for t in range(255)}
        assert sum(grey[m].size * grey[m].var() for m in (mask, ~mask)) == pytest.approx(min(within.values()))


def test_two_means_is_as_tight_as_the_best_of_many_starts():
    images = np.concatenate([square((150, 60, 60), (40, 105, 150))[0], square((220, 210, 200), (60, 30, 50))[0]])
    for image, mask in zip(images, two_means(images), strict=True):
        pixels = image.reshape(3, -1).T.astype(float)
        tightness = sum(((pixels[m] - pixels[m].mean(axis=0)) ** 2).sum() for m in (mask.ravel(), ~mask.ravel()))
        assert tightness == pytest.approx(KMeans(2, n_init=10, random_state=0).fit(pixels).inertia_)


def test_pictures_do_not_change_each_others_masks():
    images = np.random.default_rng(0).integers(256, size=(130, 3, 8, 8), dtype=np.uint8)
    masks = trivial_masks(images)
    for name, mask in trivial_masks(images[129:]).items():
        assert_array_equal(masks[name][129:], mask)
