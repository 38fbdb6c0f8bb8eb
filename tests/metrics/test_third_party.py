"""A third party's metric with evidence of its own: the pieces of soft masks on pictures of one's own choice."""

import numpy as np
import torch
from run_worlds import carry_out, recipe
from scipy.ndimage import label

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
