"""`mask-gradient`: what masks still learn at the end of a training, read off its log."""

from __future__ import annotations

import json
import statistics
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lgbench import ImageSpec, NotAvailable
from lgbench.data import DataHome
from lgbench.lookup import look_up
from lgbench.recipe import Request
from lgbench_metrics.layers.gradients import NETWORK, mask_gradients, score_mask_gradient


def evidence(folder, rows: list[dict[str, Any]]) -> Any:
    (folder / "train").mkdir(exist_ok=True)
    (folder / "train" / "log.jsonl").write_text(
        "".join(json.dumps({"step": 50 * i, **row}) + "\n" for i, row in enumerate(rows))
    )
    return SimpleNamespace(run=SimpleNamespace(folder=folder))


def scored(folder, rows: list[dict[str, Any]]):
    return score_mask_gradient({"mask-gradients": mask_gradients(evidence(folder, rows))})  # pyright: ignore


def test_it_is_the_median_of_the_last_tenth_over_that_of_the_first(tmp_path):
    random = np.random.default_rng(0)
    for _ in range(40):
        norms = random.lognormal(size=(int(random.integers(1, 90)), 2)).tolist()
        rows = [{"gradient/alpha": a, "gradient/m": m} for a, m in norms]
        tenth = max(len(norms) // 10, 1)
        a, m = (
            statistics.median(last) / statistics.median(first)
            for first, last in zip(zip(*norms[:tenth], strict=True), zip(*norms[-tenth:], strict=True), strict=True)
        )
        score = scored(tmp_path, rows)
        assert score.value == pytest.approx(a, rel=1e-15)
        assert score.details["network"] == pytest.approx(m, rel=1e-15)


def test_a_mask_networks_body_and_head_are_one_network(tmp_path):
    rows = [{"gradient/alpha": 1.0, "gradient/m": m, "gradient/m_head": h} for m, h in ((3.0, 4.0), (6.0, 8.0))]
    assert scored(tmp_path, rows).details["network"] == pytest.approx(2.0)
    head = [{"gradient/alpha": 1.0, "gradient/m_head": h} for h in (4.0, 1.0)]
    assert scored(tmp_path, head).details["network"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("comgan", {"m"}),
        ("pi1", {"m"}),
        ("pi2", {"m"}),
        ("dscomgan", {"m", "m_head"}),
        ("milgan", {"m_head"}),
        ("elgan", {"m_head"}),
    ],
)
def test_it_knows_what_painters_call_their_mask_networks(tmp_path, method: str, parts: set[str]):
    recipe = look_up(Request(method, "flora", "smoke", 0, 32), DataHome(tmp_path))
    with torch.device("meta"):
        painter = recipe.generator.build(recipe.generator_config, ImageSpec(32, classes=10))
    assert parts == {part for part, _ in painter.named_children()} & {*NETWORK}


def test_a_painter_without_a_network_for_masks_has_the_alphas_alone(tmp_path):
    score = scored(tmp_path, [{"gradient/alpha": norm, "gradient/f": 9.0} for norm in (4.0, 1.0)])
    assert score.value == 0.25
    assert score.details == {"first": 4.0, "last": 1.0}


@pytest.mark.parametrize("row", [{"critic": 1.4}, {"gradient/alpha": 0.0, "gradient/m": 1.0}, {"gradient/m": 1.0}])
def test_where_no_gradient_reached_a_mask_it_is_not_available(tmp_path, row: dict[str, float]):
    with pytest.raises(NotAvailable, match="no gradients of masks"):
        scored(tmp_path, [row, row])
