"""Names of what is installed become a recipe. Whoever looks names up does it here; stages take objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import BadRecipe
from .offers import PARTS, Dataset
from .plugins import registry
from .recipe import Recipe, Request, resolve, with_elsewhere
from .settings import fill, names_of, plain

if TYPE_CHECKING:
    from .data import DataHome

__all__ = ["check_conditions", "data_settings", "look_up"]


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
    dataset = _dataset(request.dataset, home)
    method = installed.get("methods", request.method)
    recipe = resolve(
        method, installed.generator_of(method), dataset, installed.regularizers, installed.segmenters, request
    )
    check_conditions(recipe, installed.datasets)
    elsewhere = recipe.evaluation.dataset
    return with_elsewhere(recipe, _dataset(elsewhere, home)) if elsewhere else recipe


def _dataset(name: str, home: DataHome | None) -> Dataset:
    if home is None:
        return registry().get("datasets", name)
    from .data import resolve_dataset

    return resolve_dataset(name, registry().datasets, home)


def data_settings(dataset: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a data set in the spelling of protocols; None for what they do not say, as it is at its default.

    Raises:
        BadRecipe: a value does not fit.
    """
    if dataset in registry().datasets:
        config = registry().datasets[dataset].config_class
    else:  # an archive or a folder
        from .data.masks import MaskConfig

        config = MaskConfig
    known = settings.keys() & names_of(config)
    said = plain(fill(config, "data", {f"data.{name}": settings[name] for name in known}))
    # others are every data set's; a switch that is off is not said
    others = {name: value if value is not False else None for name, value in settings.items() if name not in known}
    return {name: said.get(name) for name in known} | others


def check_conditions(recipe: Recipe, datasets: Mapping[str, Dataset]) -> None:
    """Refuse a data set that lacks what the recipe is conditional on or reads.

    Args:
        datasets: all that are installed, by name: the error says which of them would do.

    Raises:
        BadRecipe: the data set does not provide it.
    """
    readers = {recipe.method.name: recipe.generator.needs}
    readers |= {chosen.record.name: chosen.record.needs & PARTS.keys() for chosen in recipe.regularizers}
    readers |= {recipe.segmenter.name: recipe.segmenter.needs} if recipe.segmenter and recipe.segmenter.needs else {}
    for reader, needs in readers.items():
        if lacking := sorted(needs - recipe.dataset.provides):
            others = ", ".join(name for name, other in datasets.items() if needs <= other.provides) or "none installed"
            raise BadRecipe(
                f"{reader} reads {' and '.join(sorted(needs))}, and {recipe.dataset.name} has no "
                f"{' and no '.join(lacking)}. Data sets that have what it reads: {others}."
            )
