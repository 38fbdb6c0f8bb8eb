"""Sizes, weights and rates of built-in plugins are refused where they make no sense, by their names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from lgbench.errors import BadRecipe
from lgbench.plugins import registry
from lgbench.recipe import Request, resolve

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
        for name, _ in numbers(regularizer.config_class):
            yield "dscomgan", f"regularizers.{regularizer.name}.{name}", -1


@pytest.mark.parametrize(("method", "setting", "value"), sorted(settings()))
def test_a_number_that_makes_no_sense_is_refused_by_its_name(method: str, setting: str, value: float):
    found, overrides = registry(), {setting: value}
    chosen = found.methods[method]
    table = setting.rpartition(".")[0]
    if table.startswith("regularizers."):
        overrides[f"{table}.weight"] = 1
    parts = (
        chosen,
        found.generator_of(chosen),
        found.datasets["flora"],
        found.regularizers,
        registry().segmenters,
    )
    with pytest.raises(BadRecipe, match=rf"{setting}={value} does not fit: Input should be"):
        resolve(*parts, Request(method, "flora", preset="paper", settings=overrides))
