"""Sizes, weights and rates of built-in plugins are refused where they make no sense, by their names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import pytest

from lgbench.errors import BadRecipe
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request, parse_with, resolve

SIGNED = {"shrink", "grow"}
"""Settings that may be negative: ends of an interval."""


def numbers(config: type) -> Iterator[tuple[str, int | float]]:
    for field in dataclasses.fields(config):
        if type(field.default) in (int, float) and field.name not in SIGNED:
            yield field.name, field.default


def settings() -> Iterator[tuple[str, str, float]]:
    """Method, setting, value: of every number of what is built in, and -1; of every size and rate, 0 too."""
    for method in registry().methods.values():
        generator = registry().generator_of(method)
        chosen = {each.name: each for each in (*registry().segmenters.values(), *method.segmenters)}[method.segmenter]
        tables = {"method": method.config_class, "generator": generator.config_class}
        tables |= {"segmenter": chosen.config_class} if generator.layered else {}
        for table, config in tables.items():
            for name, default in numbers(config):
                yield method.name, f"{table}.{name}", -1
                if name in ("nz", "lr", "d", "g", "ngf", "ndf", "width") and default:
                    yield method.name, f"{table}.{name}", 0
    for regularizer in registry().regularizers.values():
        yield "dscomgan", f"regularizers.{regularizer.name}.weight", -1
        for name, _ in numbers(regularizer.config_class):
            yield "dscomgan", f"regularizers.{regularizer.name}.{name}", -1


def resolved(method: str, overrides: Mapping[str, object]) -> Recipe:
    found = registry()
    chosen, flora = found.methods[method], found.datasets["flora"]
    parts = (chosen, found.generator_of(chosen), flora, found.regularizers, found.segmenters)
    return resolve(*parts, Request(method, "flora", preset="paper", settings=overrides))


@pytest.mark.parametrize(("method", "setting", "value"), sorted(settings()))
def test_a_number_that_makes_no_sense_is_refused_by_its_name(method: str, setting: str, value: float):
    table = setting.rpartition(".")[0]
    weight = {f"{table}.weight": 1} if table.startswith("regularizers.") else {}
    with pytest.raises(BadRecipe, match=rf"{setting}={value} does not fit: Input should be"):
        resolved(method, {**weight, setting: value})


@pytest.mark.parametrize("name", ["translate", "contrast"])
def test_a_share_of_more_than_all_is_refused_by_its_name(name: str):
    with pytest.raises(BadRecipe, match=rf"regularizers.perturbation.{name}=1.5 does not fit: Input should be less"):
        resolved("milgan", {f"regularizers.perturbation.{name}": 1.5})


@pytest.mark.parametrize("text", ["r1:weight=-1", "r1:weight=-0.001,every=4", "mask-size:weight=-2"])
def test_a_regularizer_that_would_be_turned_round_is_refused_by_its_name(text: str):
    with pytest.raises(BadRecipe, match=rf"regularizers\.{text.partition(':')[0]}\.weight='-[0-9.]+' does not fit"):
        resolved("dscomgan", parse_with(text))


def test_a_weight_of_minus_nothing_leaves_a_regularizer_out():
    assert all(chosen.record.name != "r1" for chosen in resolved("dscomgan", parse_with("r1:weight=-0")).regularizers)


@pytest.mark.parametrize(
    ("shrink", "grow", "fits"), [(-0.5, 0.2, False), (0.2, -0.3, False), (0.9, -0.3, True), (-1, 1, True)]
)
@pytest.mark.parametrize("name", ["perturbation", "equivariance"])
def test_an_interval_whose_ends_have_changed_places_is_refused(name: str, shrink: float, grow: float, fits: bool):
    table = f"regularizers.{name}"
    overrides = {f"{table}.weight": 1, f"{table}.shrink": shrink, f"{table}.grow": grow}
    with nullcontext() if fits else pytest.raises(BadRecipe, match=rf"{table}.shrink={shrink} and .* leave no scale"):
        resolved("elgan", overrides)
