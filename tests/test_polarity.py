"""Which painted layer is the object, where the border decides it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from board_records import PROTOCOL, a_record, board_tables, commit, make_root, markdown, measured, seeds
from run_worlds import carry_out, recipe
from toy import GENERATOR, METHOD, SQUARES, ToyPainter

from lgbench.errors import BadRecipe
from lgbench.layers import Layers, covered_border
from lgbench.plugins import registry
from lgbench.recipe import Request, resolve


class Framed(ToyPainter):
    """Its foreground covers the frame and leaves the middle free."""

    def forward(self, codes) -> Layers:
        layers = super().forward(codes)
        alphas = torch.full_like(layers.alphas, 0.9)
        alphas[..., 4:-4, 4:-4] = 0.1
        return layers.recompose(layers.foregrounds, alphas * (1 + 0 * layers.alphas))


def ruled(painter: type = ToyPainter, **more: object):
    chosen = recipe(segmentation__polarity="border", segmentation__steps=60, evaluation__metrics="iou", **more)
    return replace(chosen, generator=replace(chosen.generator, build=painter))


def test_the_outermost_pixels_are_counted_once():
    alpha = torch.zeros(2, 1, 4, 6)
    alpha[0, :, 0] = 1  # the upper side: 6 of 16 pixels
    alpha[1, :, 1:-1, 1:-1] = 1
    assert covered_border(alpha).tolist() == [6 / 16, 0]


def test_a_foreground_that_covers_the_frame_is_called_the_background(tmp_path: Path):
    record = carry_out(ruled(Framed), tmp_path / "run")
    assert record["segmentation"]["flipped"] is True
    assert record["segmentation"]["border"] == pytest.approx(0.9)
    painted = replace(ruled(Framed), segmentation=replace(ruled().segmentation, polarity="painted"))
    other = carry_out(painted, tmp_path / "run")
    assert other["adds_to"] == record["id"]  # predictions mean something else: nothing is trained again
    assert (other["segmentation"]["flipped"], other["segmentation"]["border"]) == (None, None)
    mine, theirs = record["values"]["iou"], other["values"]["iou"]
    assert mine["protocol"]["polarity"] == "committed (border)"
    assert theirs["protocol"]["polarity"] == "committed"
    assert mine["protocol_id"] != theirs["protocol_id"]
    assert mine["details"]["oracle_image"] == pytest.approx(theirs["details"]["oracle_image"], abs=0.02)
    assert mine["value"] != theirs["value"]


def test_a_foreground_that_leaves_the_frame_free_stays_the_object(tmp_path: Path):
    class Centred(Framed):
        def forward(self, codes) -> Layers:
            layers = super().forward(codes)
            return layers.recompose(layers.foregrounds, 1 - layers.alphas)

    record = carry_out(ruled(Centred), tmp_path / "run")
    assert (record["segmentation"]["flipped"], record["segmentation"]["border"]) == (False, pytest.approx(0.1))


def test_the_rule_does_not_hang_on_the_test_pictures_or_on_what_ran_before(tmp_path: Path):
    first = carry_out(ruled(), tmp_path / "a" / "run")
    torch.rand(3)
    again = carry_out(ruled(data__test_images=7), tmp_path / "b" / "run")
    assert first["segmentation"]["border"] == again["segmentation"]["border"]


def test_it_is_not_said_while_it_is_the_papers():
    assert "polarity" not in recipe().as_dict()["segmentation"]
    assert ruled().as_dict()["segmentation"]["polarity"] == "border"
    assert ruled().learning == replace(ruled(), segmentation=replace(ruled().segmentation, polarity="painted")).learning


def test_it_is_refused_where_nothing_is_painted_or_nobody_segments():
    with pytest.raises(BadRecipe, match="polarity has no effect"):
        ruled(segmentation__name="none")


def test_a_presets_rule_is_left_out_where_nobody_segments():
    prefers = replace(METHOD, presets={"smoke": {**METHOD.presets["smoke"], "segmentation.polarity": "border"}})
    request = Request("toy", "squares", "smoke", settings={"segmentation.name": "none"})
    chosen = resolve(prefers, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)
    assert chosen.segmentation.polarity == "painted"


def test_a_board_says_how_often_the_rule_turned_layers_over_and_was_right(tmp_path: Path):
    ruled = {"name": "unet-s", "steps": 1, "parameters": {}, "wall_s": 1.0, "border": 0.7, "flipped": True}
    values = [measured(0.6, oracle_dataset=0.6), measured(0.1, oracle_dataset=0.6), measured(0.7, oracle_dataset=0.7)]
    root, sides = make_root(tmp_path), [ruled, {**ruled, "border": 0.2, "flipped": False}, ruled]
    each = zip(values, sides, strict=True)
    commit(root, *(a_record({"iou": value}, seed=seed, segmentation=one) for seed, (value, one) in enumerate(each)))
    assert "turned over in 2 of 3 runs; it was right in 2 of 3" in markdown(root)


def test_a_board_without_the_rule_says_nothing_of_it(tmp_path: Path):
    root = make_root(tmp_path)
    commit(root, a_record({"iou": measured(0.6)}))
    assert "turned over" not in markdown(root)


def test_what_a_rule_committed_stands_in_one_table_with_what_was_painted_so(tmp_path: Path):
    root = make_root(tmp_path)
    ruled = {**PROTOCOL, "polarity": "committed (border)"}
    segmentation = {"name": "unet-s", "steps": 1, "parameters": {}, "wall_s": 1.0, "border": 0.7, "flipped": True}
    commit(root, a_record({"iou": measured(0.8, ruled)}, method="dscomgan", segmentation=segmentation))
    commit(root, *seeds("lrgan", 0.7))
    (table,) = board_tables(root)
    assert [(line.method, line.rank) for line in table.lines] == [("dscomgan", 1), ("lrgan", 2)]
    assert table.protocols["iou"][1]["polarity"] == "committed"
    commit(root, a_record({"iou": measured(0.5, {**PROTOCOL, "polarity": "oracle"})}, seed=1))
    assert len(board_tables(root)) == 2  # what labels chose never meets them
