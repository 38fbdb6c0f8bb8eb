"""Names of what is installed become a recipe. Whoever looks names up does it here; stages take objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plugins import registry
from .recipe import Recipe, Request, check_conditions, resolve

if TYPE_CHECKING:
    from .data import DataHome

__all__ = ["look_up"]


def look_up(request: Request, home: DataHome | None) -> Recipe:
    """Find the records that a request's names stand for, and resolve the recipe.

    Args:
        home: where added archives and folders of pictures are known; None knows installed data sets only, whatever
            machine it is.

    Raises:
        UnknownName: nobody offers one of them.
        BadRecipe: see `lgbench.recipe.resolve`.
    """
    installed = registry()
    if home is None:
        dataset = installed.get("datasets", request.dataset)
    else:
        from .data import resolve_dataset

        dataset = resolve_dataset(request.dataset, installed.datasets, home)
    method = installed.get("methods", request.method)
    recipe = resolve(
        method, installed.generator_of(method), dataset, installed.regularizers, installed.segmenters, request
    )
    check_conditions(recipe, installed.datasets)
    return recipe
