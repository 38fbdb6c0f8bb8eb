"""`layer-dependence`: what is hidden of a layer, told by what is seen of the other (ILSGAN's aim)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_layer_looks import leaking, scored

from lgbench import NotAvailable
from lgbench.plugins import registry
from lgbench.rescore import rescore
from lgbench_metrics.layers.dependence import dependence, explained

M, PIXELS = 1200, 64


def layers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures of few colours and soft masks, (M, 64) each."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(M, 6)) @ random.normal(size=(6, PIXELS)) + 0.1 * random.normal(size=(M, PIXELS))
    return np.tanh(x), random.uniform(size=(M, 1)) * np.linspace(0.2, 1, PIXELS)


def test_layers_that_are_one_picture_depend_on_each_other_and_those_of_another_sample_do_not():
    x, pi = layers()
    other = np.roll(x, 1, axis=0)
    for alpha in (pi, 1 - pi):  # the hidden background, the hidden foreground
        assert dependence(alpha * x, alpha * x, pi) > 0.9
        assert dependence(alpha * other, alpha * x, pi) < 0.05


def test_what_the_alpha_tells_by_itself_does_not_count():
    x, pi = layers()
    grey = pi * 0.5  # the same background everywhere: its hidden part is the alpha
    assert explained(pi, grey) > 0.99
    assert dependence(grey, pi * x, pi) < 0.05


def test_where_nothing_is_hidden_nothing_depends_and_few_or_broken_samples_are_refused():
    x, pi = layers()
    assert dependence(0 * x, x, 0 * pi) == 0
    with pytest.raises(NotAvailable, match="30 samples"):
        dependence(x[:29], x[:29], pi[:29])
    with pytest.raises(NotAvailable, match="diverged"):
        dependence(x * np.nan, x, pi)


def test_a_run_tells_it_and_is_scored_again_without_its_networks(tmp_path: Path):
    clean = scored(tmp_path / "clean", "layer-dependence")["layer-dependence"]
    values = scored(tmp_path / "leaks", "layer-dependence", painter=leaking)
    leaks = values["layer-dependence"]
    assert clean["value"] < 0.15
    assert leaks["details"]["background"] > 0.9  # it has the object painted into it
    assert leaks["details"]["foreground"] < 0.15
    assert leaks["n"] == leaks["protocol"]["samples"] == 65
    assert (
        rescore(values["folder"], registry().metrics, registry().plugins).values["layer-dependence"]["value"]
        == (leaks["value"])
    )
