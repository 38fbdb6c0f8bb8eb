"""Ablations change from row to row what the row says, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from lgbench import ImageSpec
from lgbench.benchmark import read_benchmark
from lgbench.game import Step
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request, resolve
from lgbench.settings import dotted
from lgbench.stages import build_game, judged_from

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
LADDERS = ("comgan-table2", "comgan-controls-32")
ROUNDS = ("milgan-table3", "milgan-table3-cars", "milgan-table3-dogs", "milgan-rounds-32")

SUBNETWORKS = {"generator.r_fg", "generator.r_bg", "generator.r_mask", "generator.n_codes", "generator.subnet"}
SUBNETWORKS |= {
    "generator.shared_z",
    "segmenter",
    "segmentation.name",
    "segmentation.polarity",
    "regularizers.binarization",
}
CODES = {"generator.n_codes", "generator.tie_codes", "generator.features", "generator.use_xz", "method.real_weight"}
SAYS = {
    ("simplegan", "pi1"): SUBNETWORKS,
    ("simplegan", "comgan"): SUBNETWORKS,
    ("pi1", "pi2"): {"generator.subnet", "generator.shared_z"},
    ("pi2", "comgan"): {"generator.n_codes", "generator.subnet", "generator.shared_z"},
    ("comgan", "dscomgan"): {*CODES, "regularizers.mi-recovery", "segmentation.name"},  # "auto" is the same here
    ("dscomgan", "dscomgan"): {"generator.features", "generator.use_xz"},
}
"""What two neighbouring rows may differ in, by their methods; SimpleGAN has neither sub-networks nor masks."""


def recipes(name: str, preset: str) -> list[Recipe]:
    """A benchmark's rows with one preset."""
    board, found = read_benchmark(BENCHMARKS / f"{name}.toml"), registry()
    made = []
    for variant in board.variants:
        method = found.get("methods", variant.method)
        generator, dataset = found.generator_of(method), found.get("datasets", board.dataset)
        given = {f"data.{key}": value for key, value in board.dataset_config.items()} | variant.settings
        request = Request(
            variant.method, board.dataset, preset, 0, board.resolution, given, without=tuple(variant.without)
        )
        made.append(resolve(method, generator, dataset, found.regularizers, found.segmenters, request))
    return made


def differences(one: Recipe, other: Recipe) -> set[str]:
    mine, its = dict(dotted(one.as_dict())), dict(dotted(other.as_dict()))
    return {name for name in mine.keys() | its.keys() if mine.get(name) != its.get(name)}


def cases(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, preset) for name in names for preset in read_benchmark(BENCHMARKS / f"{name}.toml").presets]


@pytest.mark.parametrize(("name", "preset"), cases(LADDERS))
def test_comgans_rows_differ_in_what_they_say(name, preset):
    for one, other in pairwise(recipes(name, preset)):
        said = SAYS[one.method.name, other.method.name] | {"method.name", "generator.name"}
        unsaid = {key for key in differences(one, other) if not any(f"{key}.".startswith(f"{s}.") for s in said)}
        assert not unsaid, f"{one.method.name} -> {other.method.name}"


@pytest.mark.parametrize("name", ["comgan-decomposes-32", "comgan-decomposes-flowers-64"])
def test_what_makes_comgan_decompose_is_asked_of_equals(name):
    names = [variant.name for variant in read_benchmark(BENCHMARKS / f"{name}.toml").variants]
    rows = dict(zip(names, recipes(name, "smoke"), strict=True))
    for beta in ("1", "0.1"):
        own, *controls = (rows[f"{method}, beta {beta}"] for method in ("ComGAN", "Pi1", "Pi2"))
        for control in controls:
            allowed = {"method.name", "generator.name", "generator.n_codes", "generator.subnet", "generator.shared_z"}
            assert differences(own, control) <= allowed
    for method in ("ComGAN", "Pi1", "Pi2"):
        changed = differences(rows[f"{method}, beta 1"], rows[f"{method}, beta 0.1"])
        assert changed == {"regularizers.binarization.weight"}
    blocks = {"generator.r_fg", "generator.r_bg", "generator.r_mask"}
    swept = [differences(rows["ComGAN, beta 1"], row) for name, row in rows.items() if "blocks" in name]
    assert len(swept) == 6
    assert all(changed <= blocks for changed in swept)
    assert differences(rows["Pi2, beta 1"], rows["Pi2 without sub-networks, beta 1"]) == {"generator.subnet"}


def test_with_one_fake_ds_comgans_critic_loses_as_comgans_does():
    """Between ComGAN's row and "+ L_info" the critic's losses are one: `method.real_weight` changes nothing there."""
    _, comgan, codes, _ = recipes("comgan-table2", "smoke")
    torch.manual_seed(0)
    spec, real = ImageSpec(32, classes=5), torch.rand(4, 3, 32, 32) * 2 - 1
    one, other = build_game(comgan, spec), build_game(codes, spec)
    other.networks["critic"].load_state_dict(one.networks["critic"].state_dict())
    with torch.no_grad():
        layers = other.painter(other.painter.codes(4))
        step = Step(0, Batch(real), layers, layers, lambda: (layers, layers))
        losses = [sum(game.phases[0].loss(step).values()) for game in (one, other)]
    assert losses[0] == pytest.approx(float(losses[1]))


@pytest.mark.parametrize(("name", "preset"), cases(ROUNDS))
def test_milgans_rows_teach_and_choose_alike_with_and_without_alternate_training(name, preset):
    without, with_ = recipes(name, preset)
    said = {"training.rounds", "training.as_rounds"}
    assert {key for key in differences(without, with_) if not key.startswith("regularizers.background.")} == said
    assert (without.training.rounds, without.training.as_rounds) == (1, with_.training.rounds)
    taught = [r.segmentation.all_steps(max(r.training.rounds, r.training.as_rounds)) for r in (without, with_)]
    assert taught[0] == taught[1]
    assert judged_from(without.training) == judged_from(with_.training)
    if preset == "paper":
        assert taught == [20_000, 20_000]
        assert judged_from(with_.training) == 200_000
