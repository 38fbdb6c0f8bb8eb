"""The networks of a recipe, of shapes alone."""

from __future__ import annotations

from typing import NamedTuple

import torch

from lgbench import ImageSpec
from lgbench.game import Game, Term
from lgbench.layers import Painter
from lgbench.recipe import Recipe
from lgbench.stages import build_segmenter


class Built(NamedTuple):
    """What both stages train and read; no weight has memory."""

    painter: Painter
    game: Game
    terms: list[Term]
    segmenter: Game | None


def built(recipe: Recipe, spec: ImageSpec) -> Built:
    """All that a run of `recipe` builds, on meta."""
    with torch.device("meta"):
        painter = recipe.generator.build(recipe.generator_config, spec)
        game = recipe.method.build(recipe.method_config, painter, spec)
        terms = [chosen.record.build(chosen.config, painter, spec) for chosen in recipe.regularizers]
        return Built(painter, game, terms, build_segmenter(recipe, painter, spec))
