"""What networks make of layers: leakage, bounds of information, equivariance, layers composed otherwise, poses."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toy import SQUARES

from lgbench import Generator, ImageSpec, Method, Regularizer
from lgbench.data import DataHome
from lgbench.evaluation.parts import sampled
from lgbench.game import CodeReader, Game, Motion, Phase, Term
from lgbench.layers import Batch, Layers, Painter
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.rescore import rescore
from lgbench.run import Place, chosen_metrics, run
from lgbench_metrics.layers import equivariance, poses, recomposed
from lgbench_metrics.layers.looks import information, outranked
from lgbench_regularizers.moves import move, pose

SIDE, CLASSES = 16, 4
LEVELS = torch.linspace(-0.9, 0.9, CLASSES)


class Discs(Painter):
    """A square whose grey is its code's, at its latent's place, on a background of the code `b`'s grey.

    With `leaks` the background has the square painted into it as well.
    """

    recoverable: Mapping = {"c": ("foreground", CLASSES), "b": ("background", CLASSES)}
    pose_range = (torch.full((2, 3), -1.0), torch.full((2, 3), 1.0))

    def __init__(self, config: object, spec: ImageSpec, leaks: bool = False) -> None:
        super().__init__()
        self.leaks, self.none = leaks, nn.Parameter(torch.zeros(1))

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        return {"z": torch.randn(n, 2), "c": torch.randint(CLASSES, (n,)), "b": torch.randint(CLASSES, (n,))}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        n = len(codes["z"])
        alpha = torch.zeros(n, 1, 1, SIDE, SIDE)
        alpha[..., 4:12, 4:12] = 1
        f, b = (LEVELS[codes[name]].view(n, 1, 1, 1).expand(n, 3, SIDE, SIDE) for name in ("c", "b"))
        if self.leaks:
            b = torch.where(alpha[:, 0] > 0, f, b)
        affine = torch.stack([codes["z"].clamp(-1, 1), torch.zeros(n, 2), torch.full((n, 2), 0.5)], dim=2)
        return Layers.compose(
            b + 0 * self.none, f[:, None], alpha, codes=dict(codes), poses=affine.permute(0, 2, 1).reshape(n, 1, 2, 3)
        )


def contrast(images: Tensor) -> Tensor:
    """A critic that wants to see an object in the middle."""
    inside, outside = images[..., 4:12, 4:12].mean(dim=(1, 2, 3)), images[..., :2, :].mean(dim=(1, 2, 3))
    return (inside - outside).abs()


def middle(images: Tensor) -> Tensor:
    """Scores of the classes by the grey of the middle: sure and right where it shows a class's."""
    return -50 * (images[:, :1, 8, 8] - LEVELS).abs()


def scored(tmp_path: Path, metrics: str, painter=Discs, critic=contrast, readers=(), **settings: object) -> dict:
    """The values of a run whose painter is as it is: its only step has a rate of nothing."""

    def game(config: object, made: Painter, spec: ImageSpec) -> Game:
        loss = lambda step: {"none": 0 * made.none.sum()}  # noqa: E731
        phases = [Phase("generator", ["generator"], loss, lr=0.0)]
        return Game(made, {"generator": made}, phases, critic=critic, readers=readers)

    generator = Generator(name="discs", summary="", build=painter, layered=True)
    method = Method(name="discs", summary="", paper="", citation="", generator="discs", build=game)
    fast = {"training.steps": 1, "training.batch": 4, "training.grid_every": 0, "segmentation.name": "none"}
    fast |= {"evaluation.samples": 65, "evaluation.batch": 16, "evaluation.metrics": metrics, "training.ema": 0.0}
    request = Request("discs", "squares", "smoke", settings=fast | settings)
    recipe = resolve(method, generator, SQUARES, registry().regularizers, registry().segmenters, request)
    place = Place(tmp_path / "runs", DataHome(tmp_path / "home"), torch.device("cpu"))
    path = run(recipe, place, chosen_metrics(metrics, registry().metrics), registry().plugins, Quiet())
    return json.loads(path.read_text())["values"] | {"folder": path.parent}


def leaking(config: object, spec: ImageSpec) -> Painter:
    return Discs(config, spec, leaks=True)


def test_outranked_is_what_pairs_one_by_one_say():
    random = np.random.default_rng(0)
    background, image = random.integers(0, 9, 30).astype(float), random.integers(3, 12, 40).astype(float)
    pairs = [(b > x) + 0.5 * (b == x) for b in background for x in image]
    assert outranked(background, image) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert outranked(background - 99, image) == 0
    assert outranked(image, image) == 0.5


def test_a_background_with_the_object_in_it_leaks_and_one_without_does_not(tmp_path: Path):
    clean = scored(tmp_path / "clean", "leakage")["leakage"]
    leaks = scored(tmp_path / "leaks", "leakage", painter=leaking)["leakage"]
    assert clean["value"] < 0.3
    assert leaks["value"] == 0.5
    assert leaks["details"]["critic_background"] == leaks["details"]["critic_image"]
    assert clean["details"]["critic_background"] == pytest.approx(0, abs=1e-6)
    assert clean["n"] == clean["protocol"]["samples"] == 65


def test_codes_are_read_from_the_background_where_it_shows_them(tmp_path: Path):
    readers = [CodeReader("c", "image", middle, math.log(CLASSES)), CodeReader("b", "background", middle, 1.0)]
    clean = scored(tmp_path / "clean", "leakage-code", readers=readers)["leakage-code"]
    leaks = scored(tmp_path / "leaks", "leakage-code", painter=leaking, readers=readers)["leakage-code"]
    assert leaks["value"] == leaks["details"]["c_background"] == 1
    assert clean["details"]["c_shows"] == 1
    assert clean["details"]["c_chance"] == 1 / CLASSES
    assert abs(clean["value"] - 1 / CLASSES) < 0.15
    assert not any(name.startswith("b_") for name in clean["details"])  # a background may show its own code


def test_what_networks_read_in_layers_is_scored_again_without_them(tmp_path: Path):
    readers = [CodeReader("c", "image", middle, math.log(CLASSES)), CodeReader("b", "background", middle, 1.0)]
    values = scored(tmp_path, "leakage,leakage-code,mi-bound", readers=readers)
    again = rescore(values["folder"], registry().metrics, registry().plugins)
    assert not again.changed
    for name in ("leakage", "leakage-code", "mi-bound"):
        assert again.values[name]["value"] == values[name]["value"]
        assert again.values[name]["details"] == values[name]["details"]


def test_a_method_without_critic_or_readers_says_so(tmp_path: Path):
    values = scored(tmp_path, "leakage,leakage-code,mi-bound,equivariance-error", critic=None)
    for name in ("leakage", "leakage-code", "mi-bound"):
        assert "Game.critic" in values[name]["not_available"]
    assert "Term.motion" in values["equivariance-error"]["not_available"]
    only = scored(tmp_path / "critic", "leakage,leakage-code,mi-bound")
    assert only["leakage"]["value"] >= 0
    assert "Game.readers" in only["mi-bound"]["not_available"]


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_the_bound_on_information_is_that_of_torchs_distributions(tmp_path: Path, kind: str):
    class Numbers(Discs):
        recoverable: Mapping = {}

        def codes(self, n, batch=None):
            return super().codes(n, batch) | {"c": torch.randn(n, 3)} if kind == "numbers" else super().codes(n, batch)

        def forward(self, codes):
            made = Discs.forward(self, {**codes, "c": codes["c"] if kind == "classes" else codes["b"]})
            return Layers.compose(made.background, made.foregrounds, made.alphas, codes=dict(codes))

    seen = []

    def read(view: Tensor) -> Tensor:
        scores = view.flatten(1)[:, :3] if kind == "numbers" else middle(view)
        seen.append(scores)
        return scores

    entropy = math.log(CLASSES) if kind == "classes" else 1.5 * math.log(2 * math.pi * math.e)
    reader = CodeReader("c", "image", read, entropy)
    found = scored(tmp_path, "mi-bound", painter=Numbers, readers=[reader])
    stored = np.load(next(found["folder"].glob("looks-*.npz")))
    assert found["mi-bound"]["value"] == pytest.approx(entropy + stored["log-q/c/image"].mean(), abs=1e-6)
    assert found["mi-bound"]["details"]["c_entropy"] == entropy
    if kind == "classes":
        assert found["mi-bound"]["value"] == pytest.approx(math.log(CLASSES), abs=1e-3)  # read without a doubt
    assert found["mi-bound"]["protocol"]["samples"] == 65


def test_the_bound_lies_below_the_true_information_and_reaches_it_with_the_true_posterior():
    random = np.random.default_rng(0)
    flips, n = 0.2, 20_000
    c = random.integers(2, size=n)
    x = np.where(random.random(n) < flips, 1 - c, c)
    true = math.log(2) + flips * math.log(flips) + (1 - flips) * math.log(1 - flips)
    posterior = np.where(x == c, 1 - flips, flips)
    assert information(np.log(posterior), math.log(2)) == pytest.approx(true, abs=0.01)
    for wrong in (0.05, 0.4, 0.5):
        assert information(np.log(np.where(x == c, 1 - wrong, wrong)), math.log(2)) < true


def glides(exact: float):
    """A term whose latents move foregrounds by a share of what they should."""

    def build(config: object, painter: Painter, spec: ImageSpec) -> Term:
        def images(layers: Layers, eps: Tensor) -> tuple[Tensor, Tensor]:
            def moved(by: Tensor) -> Tensor:
                none = torch.zeros(len(by))
                return move(layers, pose(0.5 * by[:, 0], none, none, none)[:, None]).image

            return moved(exact * eps), moved(eps)

        return Term(motion=Motion(1, images))

    return Regularizer(name="glides", summary="", build=build)


@pytest.mark.parametrize(("exact", "low", "high"), [(1.0, 0, 0), (0.0, 1, 1), (0.5, 0.1, 0.9)])
def test_painters_that_move_exactly_err_by_nothing_and_those_that_stay_by_all(
    tmp_path: Path, monkeypatch, exact: float, low: float, high: float
):
    monkeypatch.setitem(registry().regularizers, "glides", glides(exact))
    value = scored(tmp_path, "equivariance-error", **{"regularizers.glides.weight": 1.0})["equivariance-error"]
    assert low <= value["value"] <= high
    assert value["details"]["error_at_0"] == 0
    assert [name for name in value["details"] if name.startswith("at_")] == ["at_0.25", "at_0.5", "at_0.75", "at_1"]
    assert value["protocol"]["samples"] == value["n"] == 65


def test_errors_are_mean_squares():
    one, other = torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4)
    expected = [F.mse_loss(a, b).item() for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(equivariance.squared_errors(one, other), expected, rtol=1e-5)


def test_swapped_and_shifted_composites_are_what_pixels_one_by_one_say():
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    layers = Layers.compose(torch.rand(4, 3, 8, 8), torch.rand(4, 2, 3, 8, 8), torch.rand(4, 2, 1, 8, 8))
    swapped = recomposed.swapped(layers, random)
    for i in range(4):
        x = layers.background[i]
        for f, a in zip(layers.foregrounds[i - 1], layers.alphas[i - 1], strict=True):
            x = a * f + (1 - a) * x
        torch.testing.assert_close(swapped.image[i], x)
    shifted = recomposed.shifted(layers, random)
    same = np.random.default_rng(0)
    offsets = np.round(same.uniform(-1, 1, (4, 1, 2))).astype(int)[:, 0]
    assert len({*map(tuple, offsets)}) > 1
    for i, (right, down) in enumerate(offsets):
        rolled = F.pad(layers.alphas[i], (8, 8, 8, 8))[..., 8 - down : 16 - down, 8 - right : 16 - right]
        torch.testing.assert_close(shifted.alphas[i], rolled)
    torch.testing.assert_close(shifted.background, layers.background)


def test_composites_of_independent_layers_are_as_far_from_real_images_and_those_of_dependent_ones_farther(tmp_path):
    class Matching(Discs):
        """The square is always a step brighter than its background."""

        def forward(self, codes):
            return Discs.forward(self, {**codes, "b": codes["c"].clamp(max=CLASSES - 2), "c": (codes["c"] + 1) % 4})

    names = "fid-random,swap-fid-random,shift-fid-random"
    many = {"evaluation.samples": 400}
    free = scored(tmp_path / "free", names, **many)
    tied = scored(tmp_path / "tied", names, painter=Matching, **many)

    def gap(values: dict) -> float:
        return abs(values["swap-fid-random"]["value"] / values["fid-random"]["value"] - 1)

    assert gap(free) < gap(tied)
    assert free["swap-fid-random"]["protocol"]["samples"] == 400
    assert free["swap-fid-random"]["protocol_id"] != free["fid-random"]["protocol_id"]
    assert len({free[name]["value"] for name in names.split(",")}) == 3


def test_the_samples_are_painted_again_as_they_were(tmp_path: Path):
    values = scored(tmp_path, "pose-ends")
    stored = np.load(next(values["folder"].glob("samples-*.npz")))["images"]
    taken = np.load(next(values["folder"].glob("poses-*.npz")))
    assert len(taken["poses"]) == len(stored) == 65
    assert (values["folder"] / "poses.png").stat().st_size > 1000
    painter = Discs(None, ImageSpec(SIDE))
    recipe = SimpleNamespace(seed=0)
    config = SimpleNamespace(batch=16, sample_bn="eval")
    runtime = SimpleNamespace(autocast=lambda: torch.autocast("cpu", enabled=False))
    place = SimpleNamespace(recipe=recipe, reporter=Quiet(), runtime=runtime)
    evidence = SimpleNamespace(config=config, run=place, game=SimpleNamespace(painter=painter), splits={"train": None})
    again = torch.cat([layers.image for _, layers in sampled(evidence, 65)])[:65]
    np.testing.assert_array_equal(((again + 1) * 127.5).round().byte().numpy(), stored)


def test_mass_at_the_ends_of_the_range_is_counted():
    low, high = np.full(6, -1.0), np.array([1, 1, 1, 1, 1, np.inf])
    taken = np.zeros((10, 2, 6))
    taken[:3, 0, 0], taken[:2, 1, 5], taken[:4, 1, 2] = -1, 99, 1 - 5e-4
    at_low, at_high = poses.at_ends(taken, low, high)
    assert at_low[0, 0] == 0.3
    assert at_high[1, 2] == 0.4
    assert at_low.sum() == 0.3
    assert at_high.sum() == 0.4


def test_spread_and_ends_of_poses_stand_in_the_record(tmp_path: Path):
    value = scored(tmp_path, "pose-ends")["pose-ends"]
    taken = np.load(next((tmp_path / "runs").glob("*/poses-*.npz")))["poses"]
    assert value["value"] == pytest.approx((np.abs(taken) >= 1 - 1e-3).mean())
    assert value["details"]["t_x-1_std"] == 0
    assert value["details"]["s_x-1_std"] == pytest.approx(taken[:, 0, 0].astype(np.float64).std())
