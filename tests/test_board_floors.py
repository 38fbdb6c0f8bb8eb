"""Floor and ceiling of a board: methods that only segment, run once, shown beside the ranked and never among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_records import BOARD, a_record, board_tables, commit, make_root, markdown, measured, missing, seeds

from lgbench.benchmark import FLOORS, read_benchmark
from lgbench.errors import BadRecipe
from lgbench.plugins import registry

GRID = (
    'dataset = "flora"\nresolution = 32\nmethods = ["lrgan", "milgan"]\npresets = ["smoke", "small"]\nseeds = [1, 2]\n'
)
ABLATION = 'dataset = "flora"\nresolution = 32\npresets = ["smoke"]\n[[variant]]\nname = "a"\nmethod = "lrgan"\n'


def asked(tmp_path: Path, text: str, **only) -> list[tuple[str, str, int]]:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return [(each.method, each.preset, each.seed) for each in read_benchmark(path).requests(**only)]


def floor(method: str, iou: float, supervision: str = "none") -> dict:
    values = {"iou": measured(iou), "fid": missing("the method paints nothing")}
    return a_record(values, method=method, supervision=supervision)


def test_true_stands_for_every_installed_method_that_paints_nothing():
    assert {name for name, method in registry().methods.items() if method.generator is None} == set(FLOORS)


def test_a_floor_is_swept_once_after_the_grid(tmp_path: Path):
    grid = [(m, p, s) for m in ("lrgan", "milgan") for p in ("smoke", "small") for s in (1, 2)]
    assert asked(tmp_path, GRID + 'floors = ["otsu", "iem"]\n') == [*grid, ("otsu", "smoke", 1), ("iem", "smoke", 1)]
    assert asked(tmp_path, GRID + "floors = true\n")[len(grid) :] == [(name, "smoke", 1) for name in FLOORS]
    assert asked(tmp_path, GRID + "floors = false\n") == grid
    assert asked(tmp_path, 'floors = ["otsu"]\n' + ABLATION)[-1] == ("otsu", "smoke", 0)


def test_floors_may_be_chosen_and_left_out(tmp_path: Path):
    text = GRID + "floors = true\n"
    assert asked(tmp_path, text, methods=["iem"]) == [("iem", "smoke", 1)]
    assert asked(tmp_path, text, methods=["lrgan", "iem"], seeds=[1]) == [
        ("lrgan", "smoke", 1),
        ("lrgan", "small", 1),
        ("iem", "smoke", 1),
    ]
    assert all(name not in FLOORS for name, _, _ in asked(tmp_path, text, seeds=[2]))
    with pytest.raises(BadRecipe, match="does not say which"):
        asked(tmp_path, text, methods=["iem"], seeds=[2])


def test_floor_and_ceiling_stand_below_the_ranked_with_one_seed_and_are_not_provisional(tmp_path: Path):
    root = make_root(tmp_path, "floors = true\n" + BOARD)
    commit(root, *seeds("lrgan", 0.5, 0.6, 0.7), floor("otsu", 0.9), floor("supervised-unet", 0.95, "full"))
    found = [(line.kind, line.method, line.rank, line.provisional) for line in board_tables(root)[0].lines]
    assert found == [
        ("reproduced", "lrgan", 1, False),
        ("floor", "otsu", None, False),
        ("ceiling", "supervised-unet", None, False),
    ]
    assert "| floor | otsu | smoke | 0.90 |" in markdown(root)
    assert "| ceiling | supervised-unet | smoke | 0.95 |" in markdown(root)


def test_floors_then_ceilings_each_from_best_to_worst_below_every_run(tmp_path: Path):
    root = make_root(tmp_path, "floors = true\n" + BOARD)
    masks = [floor("empty", 0.0), floor("iem", 0.9), floor("full", 0.4), floor("nearest-mask", 0.3, "full")]
    commit(root, *seeds("lrgan", 0.1), *masks, floor("supervised-unet", 0.8, "full"), a_record({}, method="milgan"))
    found = [line.method for line in board_tables(root)[0].lines]
    assert found == ["lrgan", "milgan", "iem", "full", "empty", "supervised-unet", "nearest-mask"]


def test_a_mask_with_a_record_of_its_own_replaces_what_older_records_say_of_it(tmp_path: Path):
    root = make_root(tmp_path, "floors = true\n" + BOARD)
    old = {"otsu": {"iou": 0.88}, "empty": {"iou": 0.0}}
    commit(root, *seeds("lrgan", 0.5, baselines=old), floor("otsu", 0.9))
    kinds = {line.method: (line.kind, line.cells["iou"].mean) for line in board_tables(root)[0].lines}
    assert kinds == {"lrgan": ("reproduced", 0.5), "otsu": ("floor", 0.9), "empty": ("baseline", 0.0)}


def test_a_split_that_came_later_is_no_other_image(tmp_path: Path):
    root = make_root(tmp_path, "floors = true\n" + BOARD)
    later = floor("otsu", 0.9)
    told = later["data"]
    later["data"] = {
        **told,
        "fingerprints": {**told["fingerprints"], "val": "9" * 64},
        "counts": {**told["counts"], "val": 8},
    }
    commit(root, *seeds("lrgan", 0.5), later)
    assert "did not all see the same images" not in markdown(root)


def test_an_ablation_shows_its_floors_before_any_of_its_rows_has_run(tmp_path: Path):
    head = BOARD.partition("[[")[0].replace('methods = ["lrgan"]', 'presets = ["smoke"]\nfloors = true')
    rows = '[[variant]]\nname = "few layers"\nmethod = "milgan"\nset = { "generator.d_c" = 4 }\n'
    root = make_root(tmp_path, head + rows)
    commit(root, floor("otsu", 0.9))
    page = markdown(root)
    assert "| few layers | milgan |  | not run |" in page
    assert "| floor | otsu | smoke | 0.90 |" in page
