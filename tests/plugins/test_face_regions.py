"""The maps that 68 landmarks of a face give, against rules that are followed point by point."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from lgbench.errors import BadData
from lgbench_datasets.face_regions import GRID, MIRROR, POINTS, REGIONS, filled, mirrored, rasterise, stroked


def points_inside(contours, side):
    """Pixels of one face inside closed lines or on them, in exact fractions."""
    found = np.zeros((side, side), bool)
    edges = []
    for contour in contours:
        corners = [tuple(Fraction(int(v)) / GRID for v in np.rint(point * GRID)) for point in contour]
        edges += zip(corners, [*corners[1:], corners[0]], strict=True)
    for y in range(side):
        crossings = []
        for (xa, ya), (xb, yb) in edges:
            if (ya <= y) != (yb <= y):
                crossings.append(xa + (y - ya) * (xb - xa) / (yb - ya))
        for x in range(side):
            found[y, x] = sum(c < x for c in crossings) % 2 == 1 or sum(c <= x for c in crossings) % 2 == 1
    return found


def points_near(line, radius, side):
    """Pixels of one face within `radius` of an open line."""
    y, x = np.mgrid[:side, :side]
    nearest = np.full((side, side), np.inf)
    for (xa, ya), (xb, yb) in itertools.pairwise(line):
        length = (xb - xa) ** 2 + (yb - ya) ** 2
        t = np.clip(((x - xa) * (xb - xa) + (y - ya) * (yb - ya)) / (length or 1), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - xa - t * (xb - xa), y - ya - t * (yb - ya)))
    return nearest <= radius


def whole(area, side):
    """An area on its whole planes."""
    planes = np.zeros((len(area.inside), side, side), np.uint8)
    area.lay(planes, 1)
    return planes.astype(bool)


def draw(*shape, side, seed=0, step=GRID):
    """Random points that lie on a grid of 1/step pixel, some outside of the picture."""
    return np.random.default_rng(seed).integers(-3 * step, (side + 3) * step, (*shape, 2)) / step


@pytest.mark.parametrize("step", [1, 2, GRID], ids=["corners on pixel centres", "halves", "anywhere"])
@pytest.mark.parametrize("side", [8, 13])
def test_a_polygon_is_filled_by_the_even_odd_rule_at_pixel_centres(step, side):
    polygons, holes = draw(20, 7, side=side, step=step), draw(20, 4, side=side, seed=1, step=step)
    found = whole(filled([polygons, holes], side), side)
    for i in range(20):
        assert np.array_equal(found[i], points_inside([polygons[i], holes[i]], side))


def test_a_square_whose_corners_are_pixel_centres_has_both_its_sides():
    square = np.array([[[2, 2], [5, 2], [5, 5], [2, 5]]])
    assert np.array_equal(whole(filled([square], 8), 8)[0].any(axis=0).nonzero()[0], [2, 3, 4, 5])


@pytest.mark.parametrize("radius", [0.7, 1.0, 2.3])
def test_a_stroke_is_what_lies_near_the_line(radius):
    lines = draw(20, 5, side=16)
    lines[3, 2] = lines[3, 1]  # two points in one place
    found = whole(stroked(lines, radius, 16), 16)
    for i in range(20):
        assert np.array_equal(found[i], points_near(lines[i], radius, 16))


def test_a_map_has_each_region_where_its_points_say_and_later_ones_over_earlier():
    face = draw(POINTS, side=24)
    expected = np.zeros((24, 24), np.uint8)
    for region, lines in (
        (1, [[*range(17), 26, 25, 24, 23, 22, 21, 20, 19, 18, 17]]),
        (3, [range(36, 42), range(42, 48)]),
        (4, [[27, 31, 32, 33, 34, 35]]),
        (5, [range(48, 60)]),
        (6, [range(60, 68)]),
    ):
        for line in lines:
            expected[points_inside([face[list(line)]], 24)] = region
        if region == 1:
            for brow in (range(17, 22), range(22, 27)):
                expected[points_near(face[list(brow)], 0.7, 24)] = 2
    assert np.array_equal(rasterise(face, 24), expected)
    assert set(np.unique(expected)) == set(range(len(REGIONS)))


def test_brows_grow_with_the_picture():
    face = np.full((POINTS, 2), -50.0)
    face[17:22] = [[40, 64], [50, 64], [60, 64], [70, 64], [80, 64]]
    brow = (rasterise(face, 128) == 2)[:, 60]
    assert brow.nonzero()[0].tolist() == [62, 63, 64, 65, 66]


@pytest.mark.parametrize("side", [16, 33, 64])
def test_mirrored_landmarks_give_the_mirrored_map(side):
    faces = np.concatenate([draw(30, POINTS, side=side, seed=step, step=step) for step in (1, 2, 512)])
    assert np.array_equal(rasterise(mirrored(faces, side), side), rasterise(faces, side)[:, :, ::-1])


def test_a_mirror_changes_left_and_right_and_twice_nothing():
    faces = draw(3, POINTS, side=20)
    assert np.array_equal(mirrored(mirrored(faces, 20), 20), faces)
    assert sorted(MIRROR) == list(range(POINTS))
    for left, right in ((0, 16), (8, 8), (17, 26), (21, 22), (30, 30), (31, 35), (36, 45), (39, 42), (41, 46)):
        assert (MIRROR[left], MIRROR[right]) == (right, left)
    for left, right in ((48, 54), (51, 51), (57, 57), (59, 55), (60, 64), (62, 62), (66, 66), (67, 65)):
        assert (MIRROR[left], MIRROR[right]) == (right, left)


def test_many_faces_are_as_each_alone():
    faces = draw(40, POINTS, side=200)
    maps = rasterise(faces, 200)
    assert maps.dtype == np.uint8
    for i in (0, 17, 39):
        assert np.array_equal(maps[i], rasterise(faces[i], 200))
    assert rasterise(faces[:0], 16).shape == (0, 16, 16)


def test_points_far_outside_leave_nothing_and_cost_nothing():
    face = np.full((POINTS, 2), 1e30)
    face[::2] = -1e30
    assert rasterise(face, 32).shape == (32, 32)
    assert not rasterise(np.full((POINTS, 2), -1e9), 32).any()


@pytest.mark.parametrize(
    "landmarks", [np.zeros((67, 2)), np.zeros((68, 3)), np.zeros(136), np.full((68, 2), np.nan)], ids=str
)
def test_what_is_not_a_face_is_refused(landmarks):
    with pytest.raises(BadData, match="iBUG"):
        rasterise(landmarks, 16)
