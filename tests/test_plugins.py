"""The registry: the same door for everybody, and a broken plugin is set aside with its reason."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
import textwrap
import tomllib
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lgbench import Lazy, NoConfig
from lgbench.errors import BadPlugin, UnknownName
from lgbench.plugins import KINDS, load, registry
from lgbench.recipe import Request, resolve

OWN = list(importlib.metadata.entry_points(group="lgbench"))


def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> EntryPoint:
    (tmp_path / f"{name}.py").write_text("from lgbench import *\n" + textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    return EntryPoint(name=name, value=name, group="lgbench")


REGULARIZER = "Regularizer(name={!r}, summary='', build=lambda *a: None)"
SETTING = (
    "from dataclasses import dataclass\n@dataclass\nclass C:\n    {}\n"
    "@hookimpl\ndef regularizers():\n    return [Regularizer(name='mine', summary='', build=print, config=C)]\n"
)
METHOD = (
    "@hookimpl\ndef methods():\n    return [Method(name='mine', summary='', build=print, paper='', citation='', "
    "generator=None, {})]\n"
)
METRIC = (
    "@hookimpl\ndef metrics():\n    told = {{'needs': frozenset(), 'direction': 'up'}} | dict({})\n"
    "    return [Metric(name='mine', summary='', compute=print, **told)]\n"
)
SLIPS = ["needs=None", "needs='predicted_masks'", "needs={5}", "direction='better'", "range='0..1'", "range=(1, 0)"]
SLIPS += ["range=(0, 1, 2)", "version=0", "version='2'", "parts=None", "parts=('x',)"]
GOOD = f"@hookimpl\ndef regularizers():\n    return [{REGULARIZER.format('mine')}]\n"


def test_builtins_come_through_the_entry_points_and_use_public_names_only():
    assert {e.name for e in OWN} >= {"datasets", "metrics", "regularizers", "lrgan", "comgan"}
    assert registry().set_aside == []
    for file in (Path(__file__).parent.parent / "plugins").rglob("*.py"):
        for line in file.read_text().splitlines():
            assert not ("import" in line and "lgbench" in line and "import _" in line), f"{file}: {line}"


def lazy_parts() -> list[Lazy]:
    found = registry()
    records = [record for kind in KINDS for record in getattr(found, kind).values()]
    records += [segmenter for method in found.methods.values() for segmenter in method.segmenters]
    records += [part for metric in found.metrics.values() for part in metric.parts]
    values = [getattr(record, field.name) for record in records for field in dataclasses.fields(record)]
    values = [value.func if isinstance(value, partial) else value for value in values]
    return sorted({value for value in values if isinstance(value, Lazy)}, key=lambda lazy: lazy.where)


@pytest.mark.parametrize("lazy", lazy_parts(), ids=lambda lazy: lazy.where)
def test_what_is_imported_late_is_there(lazy: Lazy):
    assert callable(pkgutil.resolve_name(lazy.where))


def test_the_readmes_plugin_works_as_it_is_copied(tmp_path, monkeypatch):
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    module, project = (
        re.search(rf"```{kind}\n# {name}[^\n]*\n(.*?)```", readme, re.DOTALL)[1]  # pyright: ignore[reportOptionalSubscript]
        for kind, name in (("python", "my_plugin.py"), ("toml", "pyproject.toml"))
    )
    told = tomllib.loads(project)
    assert {"name", "version"} <= told["project"].keys()
    ((name, value),) = told["project"]["entry-points"]["lgbench"].items()
    (tmp_path / f"{value}.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = load([*OWN, EntryPoint(name, value, "lgbench")])
    assert found.set_aside == []
    regularizer = found.regularizers["quarter"]
    step = SimpleNamespace(layers=SimpleNamespace(alpha=torch.full((2, 1, 4, 4), 0.05)))
    assert regularizer.build(regularizer.config(), None, None).penalty(step).item() == pytest.approx(0.2)
    score = found.metrics["found"].compute({"predicted_masks": np.array([[[1, 0], [0, 0]], [[1, 1], [1, 0]]], bool)})
    assert (score.value, score.per_image.tolist()) == (0.5, [0.25, 0.75])


SETTINGS = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Mine:
    width: int = 3
@hookimpl
def regularizers():
    return [
        Regularizer(name="given", summary="", build=lambda *a: None, config=Mine),
        Regularizer(name="named", summary="", build=lambda *a: None, config=Lazy("set_one:Mine")),
        Regularizer(name="none", summary="", build=lambda *a: None),
    ]
"""


def test_settings_are_a_class_given_or_named(tmp_path, monkeypatch):
    found = load([*OWN, plugin(tmp_path, monkeypatch, "set_one", SETTINGS)]).regularizers
    assert found["given"].config_class is found["named"].config_class
    assert found["named"].config_class(4).width == 4
    assert found["none"].config_class is NoConfig


@pytest.mark.parametrize(
    ("where", "text", "reason"),
    [
        ("no_module:Mine", "", "ModuleNotFoundError"),
        ("late_{}:Mime", "Mine = 1", "no attribute 'Mime'"),
        ("late_{}:Mine", "raise RuntimeError('boom')", "RuntimeError: boom"),
        ("late_{}:Mine", "raise SystemExit(3)", "SystemExit: 3"),
        ("late_{}:Mine", "this is (", "SyntaxError"),
        ("late_{}:Mine", "class Mine: pass", "has to be a dataclass"),
        ("late_{}:Mine", "Mine = len", "has to be a dataclass"),
        ("", "", "ValueError"),
    ],
)
def test_settings_that_cannot_be_read_cost_nobody_who_does_not_ask_for_them(tmp_path, monkeypatch, where, text, reason):
    name = f"bad_config_{abs(hash((where, text)))}"
    where = where.format(name)
    (tmp_path / f"late_{name}.py").write_text(text)
    offered = GOOD.replace("build", f"config=Lazy({where!r}), build")
    offered += "@hookimpl\ndef segmenters():\n    return [Segmenter(name='sees', summary='', build=lambda *a: None,"
    offered += f" config=Lazy({where!r}))]\n"
    found = load([*OWN, plugin(tmp_path, monkeypatch, name, offered)])
    assert (found.set_aside, "mine" in found.regularizers) == ([], True)
    assert list(found.unreadable()) == [f"unknown:{name}"]
    assert reason in found.unreadable()[f"unknown:{name}"]
    with pytest.raises(BadPlugin, match=name):
        found.require_all()

    def recipe(**asked):
        method, dataset = found.methods["comgan"], found.datasets["flora"]
        request = Request("comgan", "flora", "smoke", **asked)
        return resolve(method, found.generator_of(method), dataset, found.regularizers, found.segmenters, request)

    assert recipe().segmenter is not None  # its presets set what its segmenter reads, and a regularizer
    for asked in ({"regularizers.mine.weight": 1.0}, {"segmentation.name": "sees"}):
        with pytest.raises(BadPlugin, match=re.escape(reason)):
            recipe(settings=asked)


def test_a_builder_that_cannot_be_imported_is_told_by_its_plugin(tmp_path, monkeypatch):
    text = GOOD.replace("lambda *a: None", "Lazy('no_module:Mine')")
    found = load([*OWN, plugin(tmp_path, monkeypatch, "late_builder", text)])
    assert found.set_aside == []
    assert "regularizer mine: 'no_module:Mine'" in found.unreadable()["unknown:late_builder"]
    with pytest.raises(BadPlugin, match="late_builder"):
        found.require_all()


def test_what_lgbench_offers_can_all_be_read():
    assert registry().unreadable() == {}
    registry().require_all()


def test_a_third_party_plugin_is_found(tmp_path, monkeypatch):
    found = load([*OWN, plugin(tmp_path, monkeypatch, "good_one", GOOD)])
    assert found.regularizers["mine"].name == "mine"
    assert found.owners["regularizers", "mine"] == "unknown:good_one"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('cannot start')", "RuntimeError: cannot start"),
        ("import sys\nsys.exit('needs X')", "SystemExit: needs X"),
        ("raise SystemExit", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Odd(BaseException): pass\nraise Odd('no')", "Odd: no"),
        ("import sys\n@hookimpl\ndef methods():\n    sys.exit(3)\n", "SystemExit: 3"),
        ("import no_such_package", "ModuleNotFoundError"),
        ("LGBENCH_API = 99\n" + GOOD, "API 99"),
        ("LGBENCH_API = 1\n" + GOOD, "World is now ImageSpec"),
        ("from lgbench import World\n" + GOOD, "World is now ImageSpec"),
        (GOOD.replace("mine", "binarization"), "'binarization', a name that regularizers has taken"),
        (GOOD.replace("[", "[None, "), "returned NoneType, not Regularizer"),
        ("@hookimpl\ndef regularisers():\n    return []\n", "unknown hooks ['regularisers']"),
        ("@hookimpl\ndef methods(surprise):\n    return []\n", "PluginValidationError"),
        ("@hookimpl\ndef methods():\n    return 1 / 0\n", "ZeroDivisionError"),
        (GOOD.replace("[R", f"[{REGULARIZER.format('mine')}, R"), "a name that itself has taken"),
        (GOOD.replace("build", "config=dict, build"), "`config` of mine is <class 'dict'>, and has to be a dataclass"),
        (GOOD.replace("build", "config='mine.config:Mine', build"), "has to be a dataclass"),
        (SETTING.format("weight: float = 3.0"), "has a field 'weight', a name of the recipe"),
        (SETTING.format("name: str = 'x'"), "has a field 'name', a name of the recipe"),
        *(
            (GOOD.replace("'mine'", repr(name)), f"calls a regularizer {name!r}: choose letters")
            for name in ("../mine", "a.b", "a@b", "a,b", "", "-a", 5, None)
        ),
        (METHOD.format("segmenters=('x',)"), "has 'x' among its segmenters"),
        (METHOD.format("segmenters=None"), "TypeError"),
        (METRIC.format("").replace("'mine'", "'all'"), "calls a metric 'all': choose letters"),
        *((METRIC.format(slip), f"The metric mine has {slip.partition('=')[0]}=") for slip in SLIPS),
    ],
)
def test_a_broken_plugin_is_set_aside_with_its_reason_and_all_else_works(tmp_path, monkeypatch, text, reason):
    found = load([*OWN, plugin(tmp_path, monkeypatch, f"bad_{abs(hash(text))}", text)])
    (aside,) = found.set_aside
    assert reason in aside.reason
    assert {"lrgan", "dscomgan"} <= set(found.methods)
    assert "mine" not in found.regularizers
    with pytest.raises(BadPlugin, match="bad_"):
        found.require_all()


def test_settings_without_defaults_cost_nobody_who_does_not_ask_for_them(tmp_path, monkeypatch):
    """A class of settings has none of its fields' values, and is no record that names others."""
    found = load([*OWN, plugin(tmp_path, monkeypatch, "without_defaults", SETTING.format("x: int"))])
    assert found.set_aside == []
    assert found.regularizers["mine"].config_class


def test_ctrl_c_while_a_plugin_is_imported_is_the_users(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        load([plugin(tmp_path, monkeypatch, "slow_one", "raise KeyboardInterrupt")])


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match=r"method named 'lrgam'\. Did you mean 'lrgan'"):
        registry().get("methods", "lrgam")


@pytest.mark.parametrize(
    "command", [["--help"], ["list"], ["info", "lrgan"], ["leaderboard", "--help"], ["run", "--help"]]
)
def test_the_command_line_looks_things_up_without_torch(command):
    code = f"""
import sys
sys.argv = ["lgbench", *{command!r}]
from lgbench.cli import main
try:
    main()
except SystemExit as error:
    heavy = [m for m in ("torch", "pandas", "sklearn", "scipy", "numpy", "matplotlib") if m in sys.modules]
    sys.exit(error.code or (f"imported {{heavy}}" if heavy else 0))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_listing_makes_no_settings():
    code = """
import sys
sys.argv = ["lgbench", "list"]
from lgbench.cli import main
try:
    main()
except SystemExit as error:
    made = [name for name in sys.modules if name.startswith("lgbench_") and name.endswith("config")]
    sys.exit(error.code or [*made, *{"annotated_types", "lgbench_datasets.flowers"}.intersection(sys.modules)] or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
