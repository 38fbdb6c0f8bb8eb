"""`faces`: what its specification promises of shapes, attributes, layers and truth."""

import hashlib
import itertools
from dataclasses import fields, replace

import numpy as np
import pytest

from lgbench.data import DataHome, open_dataset
from lgbench.errors import BadRecipe
from lgbench_datasets.face_regions import REGIONS, mirrored, rasterise
from lgbench_datasets.faces import ATTRIBUTES, FACES, LIMITS, SPLITS, Faces, Given, build, paint
from lgbench_datasets.faces_layers import Painting
from lgbench_datasets.faces_parts import PARTS, map_parts
from lgbench_datasets.faces_scene import draw_people
from lgbench_datasets.faces_shape import landmarks_of

EVERYTHING = [field.name for field in fields(Painting)]
TRUTH = {  # what is seen where the class map has each region
    "skin": {"face", "beard", "rims"},
    "brows": {"brows"},
    "eyes": {"white", "iris", "pupil"},
    "nose": {"nose", "nostrils", "rims"},
    "lips": {"lips"},
    "inner mouth": {"mouth", "teeth"},
}


def people_of(count, split="train", seed=0):
    """The first `count` faces of a split, not painted; a multiple of 64."""
    return [draw_people(seed, split, chunk) for chunk in range(count // 64)]


def landmarks(count, side, split="train"):
    return np.concatenate([landmarks_of(people, side) for people in people_of(count, split)])


def test_a_picture_is_exactly_the_composite_of_its_layers():
    painted = paint(Faces(), 48, count=48)
    composite = painted.backgrounds + painted.alphas[..., None] * (painted.foregrounds - painted.backgrounds)
    assert np.array_equal(painted.images, np.rint(composite))
    assert np.array_equal(painted.masks, np.rint(255 * painted.alphas))
    assert np.array_equal(16 * painted.alphas, np.rint(16 * painted.alphas))
    assert 0 == painted.alphas.min() < painted.alphas.max() == 1
    assert all(0 <= layer.min() <= layer.max() <= 255 for layer in (painted.backgrounds, painted.foregrounds))


def test_a_picture_depends_on_its_index_and_not_on_what_is_drawn_before():
    many = paint(Faces(), 24, count=150)
    for start, count in ((61, 7), (0, 1), (127, 2), (149, 1)):
        few = paint(Faces(), 24, start=start, count=count)
        for name in EVERYTHING:
            assert np.array_equal(getattr(few, name), getattr(many, name)[start : start + count]), name


def test_seed_0_is_the_same_world_on_every_machine():
    painted = paint(Faces(), 32, count=64)
    arrays = (painted.images, painted.masks, painted.segments, painted.attributes, painted.landmarks)
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays))
    assert digest.hexdigest()[:16] == "3d68e64c9d3a9835"


def test_seeds_and_splits_share_no_picture():
    worlds = [paint(Faces(), 16, split) for split in SPLITS] + [paint(Faces(seed=1), 16)]
    pictures = {image.tobytes() for world in worlds for image in world.images}
    assert len(pictures) == 4 * 64
    faces = {face.tobytes() for world in worlds for face in world.landmarks}
    assert len(faces) == 4 * 64


def test_two_sides_of_one_index_are_one_picture():
    small, large = paint(Faces(), 32, count=16), paint(Faces(), 128, count=16)
    reduced = large.images.astype(float).reshape(16, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.abs(reduced - small.images).mean() < 4
    assert np.allclose((small.landmarks + 0.5) * 4 - 0.5, large.landmarks, atol=0.01)


def test_the_regions_have_the_measured_shares():
    """As measured over 300 faces: per cent of the pixels, background and skin within 0.6, the small ones within 0.1."""
    maps = rasterise(landmarks(1024, 64), 64)
    found = 100 * np.array([(maps == region).mean() for region in range(len(REGIONS))])
    measured = np.array([73.9, 21.9, 1.2, 0.7, 1.0, 1.0, 0.4])
    assert np.all(np.abs(found - measured) < [0.6, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1])
    other = np.roll(maps, 1, axis=0)
    assert abs((other == maps).mean() - 0.88) < 0.006
    ious = [((other == k) & (maps == k)).sum() / ((other == k) | (maps == k)).sum() for k in range(len(REGIONS))]
    assert abs(np.mean(ious) - 0.30) < 0.02


def test_every_region_occurs_in_every_map_but_for_closed_mouths_in_small_pictures():
    closed = {}
    for side in (32, 64, 128):
        maps = rasterise(landmarks(1024, side, "test"), side)
        occurs = np.array([(maps == region).any(axis=(1, 2)) for region in range(len(REGIONS))])
        assert occurs[: REGIONS.index("inner mouth")].all()
        closed[side] = 1 - occurs[-1].mean()
    assert 0.03 < closed[32] < 0.1
    assert closed[64] < 0.003  # 3 of the 10,000 default pictures
    assert closed[128] == 0


def test_all_of_a_face_stays_inside_the_picture():
    for split in SPLITS:
        points = landmarks(1024, 64, split)
        assert 0 <= points.min() <= points.max() <= 63
    corners = list(itertools.product(*(LIMITS[name] for name in ("yaw", "pitch", "roll", "shift", "shift"))))
    yaw, pitch, roll, right, down = np.array(corners).T
    shift = np.stack([right, down], axis=1)
    long = np.array([0, 1, 0, 1, 1])
    posed = Given(attributes=long, yaw=yaw, pitch=pitch, roll=roll, shift=shift)
    for painted in (paint(Faces(), 32, count=64), paint(Faces(), 32, count=len(corners), wanted=posed)):
        alphas = painted.alphas
        assert max(edge.max() for edge in (alphas[:, 0], alphas[:, :, 0], alphas[:, :, -1])) == 0
        assert 0 <= painted.landmarks.min() <= painted.landmarks.max() <= 31


def test_nothing_shines_through_between_head_and_neck_and_hair():
    from scipy.ndimage import label

    for has_hair in (0, 1):
        (people,) = people_of(64)
        attributes = people.attributes.copy()
        attributes[:, ATTRIBUTES.index("long_hair")] = has_hair
        people = replace(people, attributes=attributes)
        parts, body = map_parts(people, landmarks_of(people, 64), 64)
        for empty in (parts == 0) & (body == 0):
            pieces, _ = label(empty, np.ones((3, 3)))
            outside = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
            assert empty[~np.isin(pieces, outside)].sum() < 4  # of the 16 points of one pixel


def test_the_class_map_is_what_is_painted():
    (people,) = people_of(64)
    points = landmarks_of(people, 64)
    parts, _ = map_parts(people, points, 64)
    fine = rasterise(4 * points + 1.5, 256)
    for region, seen in TRUTH.items():
        there = parts[fine == REGIONS.index(region)]
        assert {PARTS[part] for part in np.unique(there)} <= seen, region
    on_the_face = set.union(*TRUTH.values()) - {"rims"}
    assert not on_the_face & {PARTS[part] for part in np.unique(parts[fine == 0])}
    painted = paint(Faces(), 64)
    assert np.array_equal(painted.segments, rasterise(painted.landmarks, 64))


def test_faces_turned_the_other_way_are_mirrored_to_the_last_bit():
    for side in (17, 33, 64):
        drawn = paint(Faces(), side, count=32)
        other = paint(
            Faces(), side, count=32, wanted=Given(yaw=-drawn.yaw, roll=-drawn.roll, shift=drawn.shift * [-1, 1])
        )
        assert np.array_equal(other.landmarks, mirrored(drawn.landmarks, side))
        assert np.array_equal(other.segments, drawn.segments[:, :, ::-1])


def test_a_smile_raises_the_mouth_corners_and_parts_the_lips():
    for index in range(12):
        points = FACES.walks["smile"](Faces(), 64, index, 11)
        corners, opening = points[:, [48, 54], 1], points[:, 66, 1] - points[:, 62, 1]
        assert np.all(np.diff(corners, axis=0) < 0)
        assert np.all(np.diff(opening) > 0)
        assert np.all(np.diff(points[:, 54, 0] - points[:, 48, 0]) > 0)
        kept = [*range(36), *(36, 39, 42, 45)]
        assert np.array_equal(points[:, kept], np.broadcast_to(points[0, kept], (11, 40, 2)))


@pytest.mark.parametrize(("walk", "factor"), [("pose", "yaw"), ("smile", "smile")])
def test_a_walk_moves_one_factor_alone_from_end_to_end(walk, factor):
    low, high = LIMITS[factor]
    for index in (3, 66):
        points = FACES.walks[walk](Faces(), 32, index, 5)
        assert points.shape == (5, 68, 2)
        for frame, value in enumerate(np.linspace(low, high, 5)):
            painted = paint(Faces(), 32, "test", index, 1, Given(**{factor: value}))
            assert np.array_equal(points[frame], painted.landmarks[0])
            assert FACES.regions is not None
            assert np.array_equal(FACES.regions(points[frame], 32), painted.segments[0])
        ends = [FACES.regions(points[0] * (1 - a) + points[-1] * a, 32) for a in (0, 1)]
        assert np.array_equal(ends, [FACES.regions(points[0], 32), FACES.regions(points[-1], 32)])


def test_the_nose_leads_where_a_face_turns():
    points = FACES.walks["pose"](Faces(), 64, 0, 7)
    ahead = points[:, 30, 0] - points[:, [0, 16], 0].mean(axis=1)
    assert np.all(np.diff(ahead) > 0)
    assert ahead[0] < 0 < ahead[-1]


def test_what_is_given_as_drawn_changes_nothing():
    drawn = paint(Faces(), 24, count=70)
    names = [field.name for field in fields(Given)]
    again = paint(Faces(), 24, count=70, wanted=Given(**{name: getattr(drawn, name) for name in names}))
    for name in EVERYTHING:
        assert np.array_equal(getattr(again, name), getattr(drawn, name)), name


def test_turning_a_face_keeps_its_colors_and_what_is_behind_it():
    left, right = (paint(Faces(), 32, count=16, wanted=Given(yaw=yaw)) for yaw in (-30, 30))
    assert np.array_equal(left.attributes, right.attributes)
    assert np.array_equal(left.backgrounds[:, :20], right.backgrounds[:, :20])
    colors = [(painted.foregrounds * (painted.segments == 1)[..., None]).sum(axis=(1, 2)) for painted in (left, right)]
    first, second = (color / color.sum(axis=1, keepdims=True) for color in colors)
    assert np.abs(first - second).max() < 0.03  # of the skin, but for its shading


def test_the_factors_fill_their_ranges():
    people = people_of(2048)
    for name, (low, high) in LIMITS.items():
        values = np.concatenate([getattr(p, name) for p in people])
        assert values.min() >= low
        assert values.max() <= high
        assert values.min() < low + 0.01 * (high - low)
        assert values.max() > high - 0.01 * (high - low)


def test_the_data_set_hands_over_what_is_painted():
    config = Faces(images=70, val_images=2, test_images=3)
    raw = build(config, 16, None)
    for split in SPLITS:
        samples, painted = list(raw.splits[split]()), paint(config, 16, split, count=raw.counts[split])
        assert len(samples) == raw.counts[split]
        for i, sample in enumerate(samples):
            assert np.array_equal(sample.image, painted.images[i])
            assert np.array_equal(sample.mask, painted.masks[i])
            assert np.array_equal(sample.segments, painted.segments[i])
            assert np.array_equal(sample.attributes, painted.attributes[i])
            assert np.array_equal(sample.landmarks, painted.landmarks[i])
        assert len({sample.name for sample in samples}) == len(samples)


def test_a_prepared_split_keeps_the_truth(tmp_path):
    split = open_dataset(FACES, Faces(images=2, val_images=2, test_images=20), 24, DataHome(tmp_path))["test"]
    assert split.segment_names == REGIONS
    assert split.attribute_names == ATTRIBUTES
    assert split.landmarks is not None
    assert split.segments is not None
    assert np.array_equal(split.segments, rasterise(np.asarray(split.landmarks), 24))


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("images", 0, "at least one"),
        ("val_images", 0, "at least one"),
        ("test_images", -1, "one"),
        ("seed", -1, "seed"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_advice(setting, value, advice):
    config = replace(Faces(), **{setting: value})
    for made in (build, paint):
        with pytest.raises(BadRecipe, match=advice):
            made(config, 32, *([None] if made is build else []))
    with pytest.raises(BadRecipe, match=advice):
        FACES.walks["pose"](config, 32, 0, 3)


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        (Given(yaw=31), "-30 to 30"),
        (Given(smile=(0.5, 0.5, 0.5)), r"\(2,\)"),
        (Given(smile=float("nan")), "0 to 1"),
        (Given(attributes=(0, 1, 0, 1)), r"\(5,\)"),
        (Given(attributes=(0, 1, 0, 1, 0.5)), "0 or 1"),
        (Given(shift=0.01), r"\(2, 2\)"),
    ],
    ids=str,
)
def test_what_no_face_can_be_is_refused_with_advice(wanted, advice):
    with pytest.raises(BadRecipe, match=advice):
        paint(Faces(), 16, count=2, wanted=wanted)


def test_what_is_not_there_is_refused():
    with pytest.raises(BadRecipe, match="train, val, test"):
        paint(Faces(), 32, "dev")
    with pytest.raises(BadRecipe, match="16 pixels"):
        build(Faces(), 15, None)
    with pytest.raises(BadRecipe, match="index 0"):
        paint(Faces(), 16, start=-1)
    with pytest.raises(BadRecipe, match="2 frames"):
        FACES.walks["smile"](Faces(), 16, 0, 1)


def test_the_record_keeps_its_promise():
    raw = FACES.build(FACES.config(images=4, val_images=3, test_images=2), FACES.resolution, None)
    assert raw.origin == "procedural"
    assert raw.provides == FACES.provides == {"masks", "segments", "attributes", "landmarks"}
    assert raw.counts == {"train": 4, "val": 3, "test": 2}
    assert (raw.segment_names, raw.attribute_names) == (REGIONS, ATTRIBUTES)
    assert set(FACES.walks) == {"pose", "smile"}
