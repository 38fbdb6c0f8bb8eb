"""Settings that came later do not rename what was there before."""

from __future__ import annotations

from dataclasses import asdict, dataclass, make_dataclass, replace

import pytest
from toy import METHOD, SQUARES

from lgbench.plugins import registry
from lgbench.recipe import Request, resolve
from lgbench.settings import later, plain


@dataclass(frozen=True, slots=True)
class Config:
    width: int = 64
    crop: str = later("square")


def test_a_later_setting_is_told_only_where_it_is_not_its_default():
    assert plain(Config()) == {"width": 64}
    assert plain(Config(crop="middle")) == {"width": 64, "crop": "middle"}
    assert Config().crop == "square"
    assert asdict(Config()) == {"width": 64, "crop": "square"}


@pytest.mark.parametrize("part", ["method_config", "generator_config", "data_config", "training", "evaluation"])
def test_a_recipe_keeps_its_hash_when_a_part_of_it_learns_a_setting(part):
    found = registry()
    request = Request("toy", "squares")
    recipe = resolve(METHOD, found.get("generators", "lrgan"), SQUARES, found.regularizers, found.segmenters, request)
    old = getattr(recipe, part)
    new = make_dataclass("New", [("extra", int, later(0))], bases=(type(old),), frozen=True)
    grown = replace(recipe, **{part: new(**asdict(old))})
    assert grown.hash == recipe.hash
    assert replace(recipe, **{part: new(**asdict(old), extra=1)}).hash != recipe.hash
