import hashlib
import itertools
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from lgbench.errors import BadRecipe
from lgbench_datasets.flora import BACKGROUNDS, DIFFICULTIES, FLORA, FLORA_WILD, Flora, FloraWild, build, paint
from lgbench_floors.trivial import TRIVIAL, trivial_mask
from lgbench_metrics.masks.confusion import confusion, iou

WORLDS = [Flora(background=b, difficulty=d) for b in BACKGROUNDS for d in DIFFICULTIES]


def read(config, split="train", resolution=32):
    return list(build(config, resolution, None).splits[split]())


@pytest.mark.parametrize("config", [*WORLDS, Flora(flowers=4)], ids=str)
def test_an_image_is_exactly_the_composite_of_its_layers(config):
    painted = paint(config, 32, count=24)
    alpha = painted.alphas[..., None]
    composite = painted.backgrounds + alpha * (painted.foregrounds - painted.backgrounds)
    assert np.array_equal(painted.images, np.rint(composite))
    assert np.array_equal(painted.masks, np.rint(255 * painted.alphas))
    assert 0 <= painted.alphas.min() <= painted.alphas.max() <= 1
    assert all(0 <= layer.min() <= layer.max() <= 255 for layer in (painted.backgrounds, painted.foregrounds))


@pytest.mark.parametrize("config", [Flora(), Flora(difficulty="hard", flowers=3)], ids=["easy", "hard"])
def test_an_image_depends_on_its_index_and_not_on_how_many_are_drawn(config):
    many, few = paint(config, 32, count=150), paint(config, 32, start=61, count=7)
    for name in ("images", "alphas", "masks", "backgrounds", "foregrounds", "instances", "labels"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[61:68])


def test_the_data_set_hands_over_what_is_painted():
    config = Flora(images=70, test_images=3)
    painted, samples = paint(config, 32, count=70), read(config)
    assert len(samples) == 70
    assert len(read(config, "test")) == 3
    for i, sample in enumerate(samples):
        assert np.array_equal(sample.image, painted.images[i])
        assert np.array_equal(sample.mask, painted.masks[i])
        assert np.array_equal(sample.instances, painted.instances[i])
        assert sample.label == painted.labels[i]
    assert len({sample.name for sample in samples}) == 70


def test_seed_0_is_the_same_world_on_every_machine():
    painted = paint(Flora(flowers=2, difficulty="medium"), 32, count=64)
    digest = hashlib.sha256(painted.images.tobytes() + painted.masks.tobytes() + painted.instances.tobytes())
    assert digest.hexdigest()[:16] == "1148a6901a23162b"


def test_seeds_and_splits_are_different_worlds():
    worlds = [paint(Flora(), 16), paint(Flora(seed=1), 16), paint(Flora(), 16, "val"), paint(Flora(), 16, "test")]
    for a, b in itertools.combinations(worlds, 2):
        assert not any(np.array_equal(x, y) for x, y in zip(a.images, b.images, strict=True))


def test_a_lone_flower_lies_inside_and_covers_a_fifth_on_average():
    alphas = paint(Flora(), 64, count=512).alphas
    coverage = alphas.mean(axis=(1, 2))
    assert 0.16 < coverage.mean() < 0.24
    assert 0.06 < coverage.min() < 0.12
    assert 0.28 < coverage.max() < 0.4
    assert max(edge.max() for edge in (alphas[:, 0], alphas[:, -1], alphas[:, :, 0], alphas[:, :, -1])) == 0


def test_any_resolution_shows_the_same_flowers():
    coverages = [paint(Flora(), side, count=64).alphas.mean(axis=(1, 2)) for side in (24, 64, 100)]
    for coverage in coverages[1:]:
        assert np.allclose(coverage, coverages[0], atol=0.01)


def test_a_class_has_its_number_of_petals():
    painted = paint(Flora(size_min=0.4, size_max=0.45), 128, count=60)
    classes = build(Flora(), 128, None).classes
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    steps = np.arange(0, 62, 0.5)[:, None]
    for alpha, label in zip(painted.alphas, painted.labels, strict=True):
        y, x = (alpha.sum(axis=axis) @ np.arange(128) / alpha.sum() for axis in (1, 0))
        rows, columns = (np.rint(c + steps * f(angles)).astype(int) for c, f in ((y, np.sin), (x, np.cos)))
        inside = (rows >= 0) & (rows < 128) & (columns >= 0) & (columns < 128)
        extent = (alpha[rows.clip(0, 127), columns.clip(0, 127)] * inside).sum(axis=0)
        assert classes[label] == f"{np.abs(np.fft.rfft(extent))[1:20].argmax() + 1} petals"


def test_easy_flowers_stand_out_and_hard_ones_less():
    def contrast(difficulty):
        painted = paint(Flora(difficulty=difficulty), 32, count=192)
        alpha = painted.alphas[..., None]
        front = (alpha * painted.images).sum(axis=(1, 2)) / alpha.sum(axis=(1, 2))
        behind = ((1 - alpha) * painted.images).sum(axis=(1, 2)) / (1 - alpha).sum(axis=(1, 2))
        return np.linalg.norm(front - behind, axis=1)

    easy, hard = contrast("easy"), contrast("hard")
    assert easy.min() > 45
    assert np.quantile(hard, 0.1) < 0.7 * np.quantile(easy, 0.1)


def test_colour_gives_easy_flowers_away_and_wild_ones_not():
    def floors(config):
        painted = paint(config, 32, "val", count=256)
        images = np.moveaxis(painted.images, -1, 1)
        guesses = {name: trivial_mask(name, images) for name in TRIVIAL}
        return {name: iou(confusion(guess, painted.masks > 127)).mean() for name, guess in guesses.items()}

    assert floors(Flora())["two-means"] > 0.9
    wild = floors(FloraWild())
    assert 0.5 < wild["two-means"] < 0.7
    assert max(wild[name] for name in wild if name != "two-means") < wild["two-means"]


def test_a_wild_flower_is_plain_to_see_against_what_surrounds_it():
    painted = paint(FloraWild(), 64, "val", count=128)
    contrasts = []
    for image, alpha in zip(painted.images.astype(np.float32), painted.alphas, strict=True):
        near = sum(np.roll(alpha, shift, axis) for axis in (0, 1) for shift in (-3, 3)) > 0
        contrasts.append(np.linalg.norm(image[alpha == 1].mean(axis=0) - image[near & (alpha == 0)].mean(axis=0)))
    assert np.quantile(contrasts, 0.05) > 60  # of 255 levels a channel


def test_flora_wild_is_flora_at_another_difficulty():
    assert FLORA_WILD.config() == FloraWild()
    painted, wild = paint(Flora(difficulty="wild"), 32), paint(FloraWild(), 32)
    assert np.array_equal(painted.images, wild.images)
    assert np.array_equal(wild.alphas, paint(Flora(), 32).alphas)  # the same flowers
    assert FLORA_WILD.build(FLORA_WILD.config(images=3), 32, None).counts == {"train": 3, "val": 1000, "test": 1000}


def test_backgrounds_are_what_they_are_called():
    def spread(kind):
        return np.ptp(paint(Flora(background=kind), 64).backgrounds, axis=(1, 2)).mean()

    def roughness(kind):
        """Mean size of the second difference: large for noise, none for a ramp."""
        return np.abs(np.diff(paint(Flora(background=kind), 64).backgrounds, n=2, axis=2)).mean()

    assert spread("uniform") == 0
    assert min(spread(kind) for kind in BACKGROUNDS[1:]) > 10
    assert roughness("gradient") < 0.2 * min(roughness(kind) for kind in ("leaves", "noise", "structure"))
    plain = paint(Flora(background="structure"), 64).backgrounds
    assert np.median(np.abs(np.diff(plain, axis=2))) == 0  # patches of one colour, hard edges between them


def test_mixed_backgrounds_vary_with_the_image_and_not_with_the_class():
    painted = paint(Flora(), 16, count=1920)
    uniform = np.ptp(painted.backgrounds, axis=(1, 2)).max(axis=1) == 0
    assert 0.28 < uniform.mean() < 0.39
    for label in range(10):
        assert 0.2 < uniform[painted.labels == label].mean() < 0.5


def test_flowers_do_not_depend_on_what_is_behind_them():
    worlds = [paint(config, 32, count=16) for config in WORLDS]
    for other in worlds[1:]:
        assert np.array_equal(other.alphas, worlds[0].alphas)
        assert np.array_equal(other.foregrounds, worlds[0].foregrounds)
    behind = paint(Flora(flowers=5), 32, count=16).backgrounds
    assert np.array_equal(behind, paint(Flora(), 32, count=16).backgrounds)


def test_instances_number_the_flowers_and_agree_with_the_mask():
    painted = paint(Flora(flowers=3), 64, count=192)
    assert np.array_equal(painted.instances > 0, painted.masks >= 128)
    most = painted.instances.max(axis=(1, 2))
    assert {1, 2, 3} == set(most.tolist())
    assert set(np.unique(paint(Flora(), 32).instances)) == {0, 1}


@pytest.mark.parametrize("shift", ["hue", "size", "background", "position"])
def test_a_shift_changes_every_test_image_and_no_training_image(shift):
    usual, shifted = Flora(), Flora(shift=shift)
    assert np.array_equal(paint(usual, 16).images, paint(shifted, 16).images)
    pairs = zip(paint(usual, 16, "test").images, paint(shifted, 16, "test").images, strict=True)
    assert not any(np.array_equal(a, b) for a, b in pairs)


def test_shifts_do_what_they_say():
    usual = paint(Flora(), 64, "test", count=128)
    hue, size, background, position = (
        paint(Flora(shift=shift), 64, "test", count=128) for shift in ("hue", "size", "background", "position")
    )
    assert np.array_equal(hue.alphas, usual.alphas)
    assert np.array_equal(hue.backgrounds, usual.backgrounds)
    assert np.allclose(size.alphas.mean(axis=(1, 2)), usual.alphas.mean(axis=(1, 2)) / 4, atol=0.01)
    assert np.ptp(background.backgrounds, axis=(1, 2)).max(axis=1).min() > 0  # easy training has uniform ones
    a = position.alphas
    cut = np.maximum(np.maximum(a[:, 0], a[:, -1]).max(axis=1), np.maximum(a[:, :, 0], a[:, :, -1]).max(axis=1))
    assert cut.min() > 0.5
    assert a.max(axis=(1, 2)).min() == 1


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("background", "clouds", "leaves"),
        ("difficulty", "brutal", "medium"),
        ("shift", "time", "position"),
        ("flowers", 0, "1 to 16"),
        ("images", 0, "at least one"),
        ("val_images", 0, "at least one"),
        ("size_max", 0.9, "0.48"),
        ("petals_min", 20, "petals_max"),
        ("classes", 0, "1 to 64"),
        ("seed", -1, "seed"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_advice(setting, value, advice):
    config = replace(Flora(), **{setting: value})
    with pytest.raises(BadRecipe, match=advice):
        build(config, 32, None)
    with pytest.raises(BadRecipe, match=advice):
        paint(config, 32)


def test_an_unknown_split_is_refused():
    with pytest.raises(BadRecipe, match="train, test, val"):
        paint(Flora(), 32, "validation")


def test_the_record_keeps_its_promise():
    raw = FLORA.build(FLORA.config(images=4, test_images=2, val_images=3), FLORA.resolution, None)
    assert raw.origin == "procedural"
    assert raw.provides == FLORA.provides == {"masks", "instances", "labels"}
    assert raw.counts == {"train": 4, "val": 3, "test": 2}
    assert len(raw.classes) == 10
    sample = next(iter(raw.splits["train"]()))
    assert sample.image.shape == (64, 64, 3)
    assert sample.image.dtype == sample.mask.dtype == sample.instances.dtype == np.uint8


def test_listing_the_data_sets_imports_neither_numpy_nor_torch():
    code = (
        "import sys, lgbench_datasets; assert lgbench_datasets.datasets();"
        "sys.exit(' '.join({'numpy', 'torch', 'sklearn', 'PIL'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_thousand_images_of_64_pixels_take_less_than_a_second():
    def seconds():
        start = time.perf_counter()
        paint(Flora(), 64, count=1024)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 1.024
