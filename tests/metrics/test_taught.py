"""Whether a segmenter has learnt what the generator paints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from run_worlds import carry_out, recipe
from toy import ToyConfig, ToyPainter

from lgbench import ImageSpec, Segmenter
from lgbench.game import Game
from lgbench.layers import Layers
from lgbench_segmenters.config import UNetConfig
from lgbench_segmenters.games import unet_s

SIDE = 16
BROKEN = -1  # columns of a segmenter that has diverged


class Bright(ToyPainter):
    """Paints a white square, eight pixels a side, on black, somewhere."""

    def forward(self, codes) -> Layers:
        n = len(codes["z"])
        place = (codes["z"][:, :2].sigmoid() * (SIDE - 8)).long()
        alphas = torch.zeros(n, 1, 1, SIDE, SIDE)
        for index, (y, x) in enumerate(place.tolist()):
            alphas[index, ..., y : y + 8, x : x + 8] = 1
        white = torch.ones(n, 1, 3, SIDE, SIDE) + 0 * self.paint.bias.sum()
        return Layers.compose(-white[:, 0], white, alphas, codes=dict(codes))


def moved(columns: int):
    """A segmenter that finds what is bright, so many columns beside it, where a frame goes round."""

    def build(config, painter, spec) -> Game:
        def predict(images):
            found = (images.mean(dim=1, keepdim=True) > 0).float().roll(columns, dims=-1)
            return found / 0 if columns == BROKEN else found

        return Game(painter=painter, networks={}, phases=[], result="", frozen=True, predict=predict)

    return build


def taught(tmp_path: Path, columns: int, **more: object) -> dict:
    chosen = recipe(evaluation__metrics="taught", **more)
    segmenter = Segmenter(name="moved", summary="", build=moved(columns))
    generator = replace(chosen.generator, build=Bright)
    return carry_out(replace(chosen, generator=generator, segmenter=segmenter), tmp_path / "run")


@pytest.mark.parametrize(("columns", "expected"), [(0, 1.0), (2, 48 / 80), (8, 0.0)])
def test_it_is_the_mean_iou_with_the_generators_masks(tmp_path: Path, columns: int, expected: float):
    value = taught(tmp_path, columns)["values"]["taught"]
    assert (value["value"], value["n"]) == (pytest.approx(expected), 500)
    assert value["protocol"]["samples"] == 500


class Rimmed(Bright):
    """The square has a rim of two columns, which it covers to 0.45."""

    def forward(self, codes) -> Layers:
        layers = super().forward(codes)
        alphas = layers.alphas.maximum(0.45 * layers.alphas.roll(2, dims=-1))
        return Layers.compose(layers.background, layers.foregrounds, alphas, codes=dict(codes))


@pytest.mark.parametrize(("cut", "expected"), [(0.5, 1.0), (0.4, 64 / 80), (0.6, 1.0), (0.0, 64 / 80)])
@pytest.mark.parametrize("border", [None, 0.9])
def test_the_generators_masks_are_cut_where_those_that_taught_were(tmp_path: Path, cut, expected: float, border):
    def build(config, painter, spec) -> Game:
        game = moved(0)(config, painter, spec)

        def white(images):
            return ((images.mean(dim=1, keepdim=True) > 0.5) != (border is not None)).double()

        return replace(game, predict=white, cut=cut, border=border)

    chosen = recipe(evaluation__metrics="taught")
    chosen = replace(chosen, generator=replace(chosen.generator, build=Rimmed))
    chosen = replace(chosen, segmenter=Segmenter(name="white", summary="", build=build))
    value = carry_out(chosen, tmp_path / "run")["values"]["taught"]
    outside = {1.0: 1.0, 64 / 80: (256 - 80) / (256 - 64)}[expected]  # of what the square leaves
    assert value["value"] == pytest.approx(expected if border is None else outside)
    assert value["protocol"]["cut"] == (None if cut == 0.5 else cut)


@pytest.mark.parametrize(("given", "expected"), [({"cut": 0.6}, 0.6), ({}, 0.5), ({"cut": 0.6, "target": "soft"}, 0.5)])
def test_a_u_net_says_where_its_masks_are_cut(given: dict, expected: float):
    painter = ToyPainter(ToyConfig(), ImageSpec(SIDE))
    assert unet_s(UNetConfig(width=4, **given), painter, ImageSpec(SIDE)).cut == expected


def test_turning_the_layers_over_does_not_change_what_was_learnt(tmp_path: Path):
    whole = taught(tmp_path / "a", 0, segmentation__polarity="border")  # the square leaves the frame free
    assert whole["values"]["taught"]["value"] == 1

    class Dark(Bright):
        def forward(self, codes) -> Layers:
            layers = super().forward(codes)
            white, black = layers.foregrounds[:, 0], layers.background[:, None]
            return Layers.compose(white, black, 1 - layers.alphas, codes=layers.codes)  # the same pictures

    chosen = recipe(evaluation__metrics="taught", segmentation__polarity="border")
    dark = Segmenter(name="dark", summary="", build=lambda *given: replace(game := moved(0)(*given), predict=dim(game)))
    chosen = replace(chosen, generator=replace(chosen.generator, build=Dark), segmenter=dark)
    record = carry_out(chosen, tmp_path / "b" / "run")
    assert record["segmentation"]["flipped"] is True
    assert record["values"]["taught"]["value"] == 1


def dim(game: Game):
    """What is dark, as masks of a foreground that is."""
    predict = game.predict
    assert predict is not None
    return lambda images: 1 - predict(images)


def test_a_segmenter_that_was_taught_and_has_not_learnt_is_flagged(tmp_path: Path):
    record = carry_out(recipe(evaluation__metrics="taught"), tmp_path / "run")  # three steps teach nobody
    assert record["values"]["taught"]["value"] < 0.85
    assert "untaught" in record["training"]["flags"]


def test_nothing_is_said_of_what_learns_from_no_pairs(tmp_path: Path):
    assert taught(tmp_path / "a", 8)["training"]["flags"] == []
    record = carry_out(recipe(segmentation__name="none", evaluation__metrics="taught"), tmp_path / "b" / "run")
    assert "no segmenter" in record["values"]["taught"]["not_available"]
    assert "untaught" not in record["training"]["flags"]


def test_masks_that_are_not_numbers_are_no_background(tmp_path: Path):
    value = taught(tmp_path, BROKEN)["values"]["taught"]
    assert "probabilities are not finite" in value["not_available"]
