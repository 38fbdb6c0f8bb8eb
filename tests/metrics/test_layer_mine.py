"""`layer-mine`: the mutual information of layers, by a network that tells their pairs from mixed ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from test_layer_looks import leaking, scored

from lgbench.plugins import registry
from lgbench.rescore import rescore
from lgbench_metrics.layers import mine


def normals(rho: float, d: int = 2, count: int = 4000):
    """Pairs whose every coordinate is correlated by rho: -d/2 log(1 - rho^2) nats."""
    chance = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, count, d, generator=chance)
    h, v = a, rho * a + math.sqrt(1 - rho**2) * b
    return lambda which: (h[which], v[which])


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_it_is_the_information_of_normals(rho: float, monkeypatch):
    monkeypatch.setattr(mine, "HIDDEN", 128)
    monkeypatch.setattr(mine, "RATE", 2e-3)
    monkeypatch.setattr(mine, "EVERY", 40)
    told: list[int] = []
    found = mine.information(normals(rho), 4000, seed=1, told=told.append, steps=2000)
    assert found.shape == (20,)
    assert found.mean() == pytest.approx(-math.log(1 - rho**2), abs=0.1)
    assert told == list(range(40, 2001, 40))


def test_it_depends_on_its_seed_alone_and_moves_nobodys_chance(monkeypatch):
    monkeypatch.setattr(mine, "HIDDEN", 8)
    monkeypatch.setattr(mine, "EVERY", 2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (mine.information(normals(0.5), 4000, seed, steps=40) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_bound_is_donskers_and_varadhans():
    together, apart = torch.tensor([1.0, 2.0]), torch.tensor([0.0, math.log(3)])
    assert mine.bound(together, apart).item() == pytest.approx(1.5 - math.log(2))
    assert mine.bound(together, apart + 1000).item() == pytest.approx(1.5 - math.log(2) - 1000, rel=1e-6)


def test_nobody_waits_a_day_unasked(tmp_path: Path):
    value = scored(tmp_path, "layer-mine")["layer-mine"]
    assert "without a GPU; layer-dependence" in value["not_available"]


def test_a_background_that_has_the_object_in_it_tells_of_it_and_a_run_is_scored_again(tmp_path: Path, monkeypatch):
    for name, value in {
        "SLOW": frozenset(),
        "STEPS": 300,
        "EVERY": 10,
        "HIDDEN": 64,
        "RATE": 1e-3,
        "SHOWN": 64,
    }.items():
        monkeypatch.setattr(mine, name, value)
    clean = scored(tmp_path / "clean", "layer-mine")["layer-mine"]
    values = scored(tmp_path / "leaks", "layer-mine", painter=leaking)
    leaks = values["layer-mine"]
    assert leaks["details"]["background"] > 0.7  # four greys: 1.39 nats
    assert leaks["details"]["background"] > clean["details"]["background"] + 0.5
    assert leaks["value"] == pytest.approx((leaks["details"]["background"] + leaks["details"]["foreground"]) / 2)
    again = rescore(values["folder"], registry().metrics, registry().plugins).values["layer-mine"]
    assert again["value"] == leaks["value"]
