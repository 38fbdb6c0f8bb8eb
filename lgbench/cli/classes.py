"""Which runs of one class each belong together: those that differ in nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lgbench.files import canonical_json
from lgbench.recipe import Recipe

__all__ = ["by_what_they_share", "shared"]


def by_what_they_share(recipes: Iterable[Recipe]) -> list[list[Recipe]]:
    """Recipes of one class each that differ in nothing but that; those of all classes are left out."""
    groups: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        if recipe.training.category >= 0:
            groups.setdefault(canonical_json(shared(recipe)), []).append(recipe)
    return list(groups.values())


def shared(recipe: Recipe) -> dict[str, Any]:
    """What runs of one aggregate have in common."""
    settings = recipe.as_dict()
    return settings | {"training": {**settings["training"], "category": None}}
