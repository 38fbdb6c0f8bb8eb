"""The five attributes of `faces`: each changes what its line of the specification names, and no truth."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from lgbench_datasets.face_regions import REGIONS
from lgbench_datasets.faces import ATTRIBUTES, Faces, Given, paint
from lgbench_datasets.faces_parts import BODY, PARTS, map_parts, shares
from lgbench_datasets.faces_scene import draw_people, pick

SETTINGS = np.array(list(itertools.product((0, 1), repeat=len(ATTRIBUTES))))
CHANGES = {  # the parts that each attribute may change
    "dark_hair": {"locks", "hair", "brows", "beard"},
    "long_hair": {"locks"},
    "dark_skin": {"side", "skin", "face", "nose", "nostrils", "neck"},
    "beard": {"beard"},
    "glasses": {"rims"},
}


def inner(inside):
    """Pixels whose eight neighbours are inside too."""
    padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))
    side = inside.shape[-1]
    return np.all([padded[:, y : y + side, x : x + side] for y in range(3) for x in range(3)], axis=0)


def test_class_map_and_landmarks_are_the_same_under_each_of_the_32_attribute_settings():
    for index in (0, 5, 70):
        worlds = [paint(Faces(), 32, start=index, count=1, wanted=Given(attributes=row)) for row in SETTINGS]
        assert len({world.images.tobytes() for world in worlds}) == 32
        for name in ("segments", "landmarks", "yaw", "pitch", "roll", "smile"):
            assert len({getattr(world, name).tobytes() for world in worlds}) == 1
        assert [world.attributes[0].tolist() for world in worlds] == SETTINGS.tolist()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_flipping_an_attribute_changes_what_the_table_names_and_nothing_else(name):
    people = pick(draw_people(0, "train", 0), slice(40))
    both, touched = [], np.zeros((40, 64, 64), bool)
    for value in (0, 1):
        attributes = people.attributes.copy()
        attributes[:, ATTRIBUTES.index(name)] = value
        both.append(paint(Faces(), 64, count=40, wanted=Given(attributes=attributes)))
        parts, body = map_parts(replace(people, attributes=attributes), both[-1].landmarks, 64)
        for names, covered in ((PARTS, shares(parts, len(PARTS))), (BODY, shares(body, len(BODY)))):
            touched |= (covered[[part in CHANGES[name] for part in names]] > 0).any(axis=0)
    off, on = both
    changed = (off.images != on.images).any(axis=-1)
    assert not changed[~touched].any()
    assert changed.sum(axis=(1, 2)).min() > 80  # plainly visible
    seen = np.abs(off.images.astype(float) - on.images).sum(axis=-1)
    assert np.quantile([seen[i][changed[i]].mean() for i in range(40)], 0.1) > 40
    if name != "long_hair":
        rims_beside_the_head = name == "glasses"
        assert rims_beside_the_head or np.array_equal(off.alphas, on.alphas)


def test_an_attribute_leaves_the_regions_alone_that_it_does_not_paint():
    """Told by class maps alone: pixels well inside a region, which no neighbour bleeds into."""
    kept = {
        "dark_hair": {"eyes", "lips", "inner mouth", "nose"},
        "long_hair": {"skin", "brows", "eyes", "nose", "lips", "inner mouth"},
        "dark_skin": {"eyes", "lips", "inner mouth", "brows"},
        "beard": {"background", "brows", "eyes", "nose", "lips", "inner mouth"},
        "glasses": {"eyes", "lips", "inner mouth", "brows"},
    }
    for name, regions in kept.items():
        off, on = (np.ones(5, int) for _ in range(2))
        off[ATTRIBUTES.index(name)] = 0
        first, second = (paint(Faces(), 64, count=24, wanted=Given(attributes=row)) for row in (off, on))
        changed = (first.images != second.images).any(axis=-1)
        sure = inner(np.isin(first.segments, [REGIONS.index(region) for region in regions]))
        assert sure.any()
        assert not changed[sure].any(), name


def test_a_beard_is_below_the_mouth_corners_or_along_the_jaw():
    given = Given(attributes=(1, 0, 0, 1, 0), yaw=0, pitch=0, roll=0)
    bearded = paint(Faces(), 64, count=24, wanted=given)
    bare = paint(Faces(), 64, count=24, wanted=replace(given, attributes=(1, 0, 0, 0, 0)))
    face, rows, columns = np.nonzero((bearded.images != bare.images).any(axis=-1))
    points = bearded.landmarks[face]
    corner = points[:, [48, 54], 1].min(axis=1)
    jaw = np.hypot(points[:, :17, 0] - columns[:, None], points[:, :17, 1] - rows[:, None]).min(axis=1)
    assert np.all((rows > corner - 1.5) | (jaw < 6))
    assert ((rows > corner) & (jaw > 6)).any()


def test_attributes_are_fair_coins_that_tell_nothing_of_one_another_or_of_the_landmarks():
    people = [draw_people(0, "train", chunk) for chunk in range(125)]
    factors = ("smile", "yaw", "pitch", "roll", "jaw_width", "eye_size", "scale")
    columns = [np.concatenate([getattr(p, name) for p in people]) for name in factors]
    columns += list(np.concatenate([p.attributes for p in people]).T)
    columns += [np.concatenate([p.colors.skin[:, 0].sum(axis=1) for p in people])]
    assert all(abs(column.mean() - 0.5) < 0.02 for column in columns[len(factors) : -1])
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 0.045
