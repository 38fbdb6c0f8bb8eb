"""`paper` presets are the papers': each resolved setting, and each network's size, stands in `paper_presets.csv`.

The table was typed in from the specifications of the methods, whose section every row names; P marks what the paper
states, C its public code, O what neither answers, M what was counted. Of its columns, `method`, `preset` and `data`
name one case or several ("*" for all); `data` is a data set, with "@side" where the paper's table has another side
than the preset. A row for `resolution` makes a case. Besides settings by their dotted names there are:

- `regularizers.NAME.weight`, 0 where it is off;
- `parameters.NETWORK`, trainable parameters of a network of either stage; `parameters` alone, those of the first stage;
- `codes`, the classes of the generator's code; `segmenter.name`; `segmentation.earlier_steps`.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from built import built

from lgbench import ImageSpec
from lgbench.nn import count_parameters
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request, resolve

CLASSES = {"cub": 200, "dogs": 120, "cars": 196, "flowers": 102, "fs-100": 100, "mnist-one": 10, "mnist-two": 100}
CLASSES |= {"cifar10": 10, "lfw": 5749, "clevr6": 0, "apc": 0, "lsun-car": 0, "celeba": 0, "deepfashion": 0}
"""How many classes the opened data sets have."""

CONDITIONS = {"celeba": {"segments": 7, "attributes": 5}, "deepfashion": {"segments": 7, "attributes": 17}}
"""How many classes of class maps and attributes they have, where they have any."""

MACHINE = {f"training.{name}" for name in ("precision", "channels_last", "compile", "log_every", "grid_every")}
MACHINE |= {"training.checkpoint_seconds", "evaluation.metrics", "evaluation.batch"}
"""Settings that no paper has."""

BLIND = {"regularizers.equivariance.distance": "disc"}
"""For building: the paper's perceptual network is no part of what is trained, and its weights are a file's."""


@dataclass(frozen=True)
class Case:
    """A method on a data set, as a paper reports it."""

    method: str
    preset: str
    data: str

    def __str__(self) -> str:
        return f"{self.method} {self.preset} {self.data}"


@dataclass(frozen=True)
class Line:
    """A row of the table, and where it stands."""

    number: int
    method: str
    preset: str
    data: str
    setting: str
    value: str
    source: str

    def holds_of(self, case: Case) -> bool:
        named = ((self.method, case.method), (self.preset, case.preset), (self.data, case.data))
        return all(wanted == "*" or its in wanted.split() for wanted, its in named)


def _read() -> list[Line]:
    with (Path(__file__).parent / "paper_presets.csv").open(newline="", encoding="utf-8") as file:
        return [Line(number, **row) for number, row in enumerate(csv.DictReader(file), start=2)]


TABLE = _read()
CASES = [
    Case(method, preset, data)
    for line in TABLE
    if line.setting == "resolution"
    for method in line.method.split()
    for preset in line.preset.split()
    for data in line.data.split()
]
cases = pytest.mark.parametrize("case", CASES, ids=str)


def lines_of(case: Case) -> dict[str, Line]:
    """What the table says of a case, by setting."""
    said: dict[str, Line] = {}
    for line in TABLE:
        if line.holds_of(case):
            other = said.setdefault(line.setting, line)
            assert other is line, f"lines {other.number} and {line.number} both set {line.setting} of {case}"
    return said


@cache
def recipe_of(case: Case) -> Recipe:
    return resolved(case, {})


def resolved(case: Case, overrides: Mapping[str, object]) -> Recipe:
    found = registry()
    method, (name, _, side) = found.get("methods", case.method), case.data.partition("@")
    parts = (method, found.generator_of(method), found.get("datasets", name), found.regularizers)
    request = Request(case.method, name, case.preset, resolution=int(side) if side else None, settings=overrides)
    return resolve(*parts, registry().segmenters, request)


def terms_of(recipe: Recipe) -> set[str]:
    return {chosen.record.name for chosen in recipe.regularizers}


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Every setting by its dotted name."""
    tables = {
        "method": recipe.method_config,
        "generator": recipe.generator_config,
        "data": recipe.data_config,
        "training": recipe.training,
        "segmentation": recipe.segmentation,
        "evaluation": recipe.evaluation,
        **{f"regularizers.{chosen.record.name}": chosen.config for chosen in recipe.regularizers},
    }
    if recipe.segmenter is not None:
        tables["segmenter"] = recipe.segmenter_config
    held = {f"{table}.{name}": value for table, config in tables.items() for name, value in asdict(config).items()}
    return held | {"data.use_all_images": recipe.use_all_images}


def defaults_of(recipe: Recipe) -> dict[str, Any]:
    """The defaults of the same settings."""
    plain = {
        "method": recipe.method.config_class,
        "generator": recipe.generator.config_class,
        "data": recipe.dataset.config_class,
        "training": type(recipe.training),
        "segmentation": type(recipe.segmentation),
        "evaluation": type(recipe.evaluation),
        **{f"regularizers.{chosen.record.name}": chosen.record.config_class for chosen in recipe.regularizers},
    }
    if recipe.segmenter is not None:
        plain["segmenter"] = recipe.segmenter.config_class
    held = {f"{table}.{field.name}": field.default for table, config in plain.items() for field in fields(config)}
    return held | {"data.use_all_images": False}


@cache
def sizes_of(case: Case) -> tuple[Mapping[str, int], Mapping[str, int], int]:
    """Parameters of each network of both stages, and how many classes the generator's code has; shapes alone."""
    recipe = resolved(case, BLIND if "equivariance" in terms_of(recipe_of(case)) else {})
    channels = 1 if recipe.dataset.grey else 3
    name = case.data.partition("@")[0]
    spec = ImageSpec(recipe.resolution, channels, CLASSES[name], **CONDITIONS.get(name, {}))
    painter, game, terms, segmenter = built(recipe, spec)
    trained = dict(game.networks)
    for term in terms:
        trained |= term.networks
    taught = segmenter.networks if segmenter else {}
    learnt, segmenting = (
        {name: count_parameters(network) for name, network in stage.items()} for stage in (trained, taught)
    )
    return learnt, segmenting, max((n for _, n in painter.recoverable.values()), default=0)


def held_by(case: Case, setting: str) -> Any:
    """What the code has for a row of the table."""
    recipe = recipe_of(case)
    if setting == "resolution":
        return recipe.resolution
    if setting == "codes":
        return sizes_of(case)[2]
    if setting == "segmenter.name":
        return recipe.segmenter.name if recipe.segmenter else None
    if setting == "segmentation.earlier_steps":
        return recipe.segmentation.earlier_steps
    if setting == "parameters":
        return sum(sizes_of(case)[0].values())
    if setting.startswith("parameters."):
        first, second, _ = sizes_of(case)
        return {**first, **second}.get(setting.removeprefix("parameters."))
    if setting.startswith("regularizers.") and setting.endswith(".weight"):
        weights = {chosen.record.name: chosen.weight for chosen in recipe.regularizers}
        return weights.get(setting.split(".")[1], 0)
    return settings_of(recipe).get(setting)


def read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def alike(held: Any, wanted: Any) -> bool:
    return held == (pytest.approx(wanted, rel=1e-5) if isinstance(wanted, float) and held is not None else wanted)


@cases
def test_a_preset_says_what_the_paper_says(case: Case):
    wrong = [
        f"{name} is {held_by(case, name)!r}, not {line.value} ({line.source})"
        for name, line in lines_of(case).items()
        if not alike(held_by(case, name), read_value(line.value))
    ]
    assert not wrong, "\n".join(wrong)


@cases
def test_what_the_table_does_not_mention_is_as_it_is_by_default(case: Case):
    recipe, said = recipe_of(case), {*lines_of(case)}
    if "codes" in said:
        said.add("generator.n_codes")
    defaults = defaults_of(recipe)
    changed = {
        name: value
        for name, value in settings_of(recipe).items()
        if name not in said and name not in MACHINE and value != defaults[name]
    }
    assert not changed
    assert terms_of(recipe) <= {name.split(".")[1] for name in said if name.startswith("regularizers.")}


@cases
def test_the_table_counts_every_network(case: Case):
    first, second, _ = sizes_of(case)
    counted = {name.removeprefix("parameters.") for name in lines_of(case) if name.startswith("parameters.")}
    assert counted == first.keys() | second.keys()


def test_every_line_is_of_some_case_and_names_its_source():
    covering = defaultdict(list)
    for case in CASES:
        for line in lines_of(case).values():
            covering[line.number].append(case)
    assert [line for line in TABLE if not covering[line.number]] == []
    documents = r"(lrgan|comgan|perturbgan|milgan|elgan|shared_blocks|vae_baselines|scgan) \d"
    assert [line for line in TABLE if not re.match(documents, line.source)] == []


def test_each_method_and_each_size_of_it_that_a_paper_has_is_a_case():
    methods = {name for name, method in registry().methods.items() if _is_ours(getattr(method.build, "where", ""))}
    assert methods == {case.method for case in CASES}
    assert len(CASES) == len(set(CASES))


def _is_ours(where: str) -> bool:
    families = ("lrgan", "comgan", "perturbgan", "milgan", "elgan", "slots", "scgan", "translation")
    return where.split(".")[0] in {f"lgbench_{family}" for family in families}


def test_the_classes_of_every_data_set_are_told():
    assert {case.data.partition("@")[0] for case in CASES} == CLASSES.keys()
