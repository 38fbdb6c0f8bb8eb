"""Names of what is installed become a recipe. The command line and `load_run` look names up; stages take objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .offers import NOTHING
from .plugins import registry
from .recipe import Recipe, Request, check_conditions, resolve

if TYPE_CHECKING:
    from .data import DataHome

__all__ = ["look_up"]


def look_up(request: Request, home: DataHome) -> Recipe:
    """Find the records that a request's names stand for, and resolve the recipe.

    Raises:
        UnknownName: nobody offers one of them.
        BadRecipe: see `lgbench.recipe.resolve`.
    """
    from .data import resolve_dataset

    installed = registry()
    method = installed.get("methods", request.method)
    recipe = resolve(
        method,
        NOTHING if method.generator is None else installed.get("generators", method.generator),
        resolve_dataset(request.dataset, installed.datasets, home),
        installed.regularizers,
        installed.segmenters,
        request,
    )
    check_conditions(recipe, installed.datasets)
    return recipe
