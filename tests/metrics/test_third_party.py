"""A third party's metric with evidence of its own: the pieces of soft masks on pictures of one's own choice."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from run_worlds import carry_out, recipe
from scipy.ndimage import label
from toy import ToyPainter

from lgbench import Metric, NotAvailable, Part, hookimpl
from lgbench.evaluation import Evidence, Score
from lgbench.plugins import registry

PICTURES = np.random.default_rng(0).integers(256, size=(6, 3, 16, 16), dtype=np.uint8)


@torch.no_grad()
def soft_masks(evidence: Evidence) -> np.ndarray:
    if evidence.segmenter is None or evidence.segmenter.predict is None:
        raise NotAvailable("no segmenter")
    return evidence.segmenter.predict(evidence.run.runtime.images(torch.from_numpy(PICTURES)))[:, 0].numpy()


def components(evidence: Evidence) -> Score:
    pieces = np.array([float(label(mask >= mask.mean())[1]) for mask in evidence["soft-masks"]])
    return Score(float(pieces.mean()), pieces)


@hookimpl
def metrics() -> list[Metric]:
    own, needs = Part("soft-masks", soft_masks), frozenset({"soft-masks"})
    told = "Connected components of soft masks of my pictures"
    return [Metric(name="components", summary=told, compute=components, needs=needs, parts=(own,), direction="none")]


def test_a_metric_on_evidence_that_nobody_had_is_one_short_file(tmp_path, monkeypatch):
    monkeypatch.setitem(registry().metrics, "components", metrics()[0])
    found = carry_out(recipe(evaluation__metrics="components"), tmp_path / "runs")["values"]["components"]
    assert found["n"] == len(PICTURES)
    assert found["value"] >= 1


def area(evidence: Evidence) -> Score:
    found = evidence["areas"]
    return Score(float(found.mean()), found)


AREAS = Part("areas", lambda evidence: evidence["predicted_masks"].mean(axis=(1, 2)))
AREA = Metric(
    name="area", summary="Predicted area", compute=area, needs=frozenset({"areas"}), parts=(AREAS,), direction="none"
)


def test_a_number_says_what_the_parts_behind_its_parts_say(tmp_path, monkeypatch):
    """Of other pictures, masks or polarity it would otherwise share an id with what is not comparable."""
    monkeypatch.setitem(registry().metrics, "area", AREA)
    found = carry_out(recipe(evaluation__metrics="area,iou"), tmp_path / "runs")["values"]
    said = found["area"]["protocol"]
    assert {name: said[name] for name in ("split", "polarity", "threshold")} == {
        name: found["iou"]["protocol"][name] for name in ("split", "polarity", "threshold")
    }
    assert said["polarity"] == "committed"


def test_parts_that_read_each_other_are_told_by_name(tmp_path, monkeypatch):
    parts = (Part("hen", lambda evidence: evidence["egg"]), Part("egg", lambda evidence: evidence["hen"]))
    metric = Metric(name="first", summary="", compute=print, needs=frozenset({"hen"}), parts=parts, direction="none")
    monkeypatch.setitem(registry().metrics, "first", metric)
    found = carry_out(recipe(evaluation__metrics="first"), tmp_path / "runs")["values"]["first"]
    assert "parts that read each other" in found["not_available"]
    assert "hen -> egg -> hen" in found["not_available"]


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (Score(0.5, np.ones((6, 3))), "per_image has the shape (6, 3)"),
        (Score(0.5, details={"best": math.nan}), "not a finite number (best is nan)"),
        (Score(0.5, details={5: 0.1}), "5 is no name"),  # pyright: ignore[reportArgumentType]
        (Score(0.5, protocol={"dataset": "cub"}), "its protocol says 'dataset', which is the run's to say"),
    ],
)
def test_a_score_that_no_record_can_hold_costs_its_own_number_alone(tmp_path, monkeypatch, score, told):
    metric = Metric(name="odd", summary="", compute=lambda _: score, needs=frozenset(), direction="none")
    monkeypatch.setitem(registry().metrics, "odd", metric)
    found = carry_out(recipe(evaluation__metrics="odd,iou"), tmp_path / "runs")["values"]
    assert told in found["odd"]["not_available"]
    assert found["iou"]["value"] >= 0


def flattened(images: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(images), 16, 16)


@pytest.mark.parametrize(
    ("predict", "told"),
    [
        (flattened, "its predict makes of (20, 3, 16, 16) (20, 16, 16)"),
        (lambda images: torch.zeros(1, 1, 16, 16), "its predict makes of (20, 3, 16, 16) (1, 1, 16, 16)"),
        (lambda images: torch.full((len(images), 1, 16, 16), 3.0), "its probabilities are 3 to 3"),
    ],
)
def test_what_is_no_probability_of_each_pixel_is_not_scored(tmp_path, monkeypatch, predict, told):
    monkeypatch.setattr("lgbench.run.oriented", lambda segmenter, *_: replace(segmenter, predict=predict))
    found = carry_out(recipe(evaluation__metrics="iou"), tmp_path / "runs")["values"]["iou"]
    assert told in found["not_available"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda layers: layers.__class__.flat(layers.image[:1]), "8 images were asked for, 1 came"),
        (lambda layers: replace(layers, alphas=layers.alphas + 2), "alphas have to lie in [0, 1]"),
        (lambda layers: layers.__class__.flat(layers.image[..., ::2]), "it paints (3, 16, 8) at 16 px"),
    ],
)
def test_what_is_no_layers_of_as_many_images_is_not_scored(tmp_path, monkeypatch, change, told):
    paint = ToyPainter.forward

    def forward(self, codes):
        layers = paint(self, codes)
        return layers if self.training else change(layers)

    monkeypatch.setattr(ToyPainter, "forward", forward)
    settings = {"evaluation__samples": 8, "evaluation__batch": 8, "segmentation__name": "none"}
    chosen = recipe(evaluation__metrics="coverage,fid-random", **settings)
    found = carry_out(chosen, tmp_path / "runs")["values"]
    assert all(told in found[name]["not_available"] for name in ("coverage", "fid-random"))
