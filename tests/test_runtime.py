"""How precisely a run computes, and that its record says so."""

import json
from pathlib import Path

import pytest
import torch
from toy import GENERATOR, METHOD, SQUARES

from lgbench.data import DataHome
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.run import Place, run, runtime_of
from lgbench.runtime import fast_precision

CPU = torch.device("cpu")


def recipe(precision: str, layout: object = "auto"):
    settings = {
        "training.precision": precision,
        "training.channels_last": layout,
        "training.steps": 2,
        "segmentation.name": "none",
        "evaluation.samples": 8,
    }
    request, found = Request("toy", "squares", "smoke", settings=settings), registry()
    return resolve(METHOD, GENERATOR, SQUARES, found.regularizers, found.segmenters, request)


def instructions(monkeypatch: pytest.MonkeyPatch, *, avx512: bool, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


def test_a_processor_is_fast_in_one_of_two_ways():
    assert fast_precision(CPU) in ("fp32", "bf16")


@pytest.mark.parametrize(
    ("avx512", "amx", "precision"), [(False, False, "fp32"), (True, False, "bf16"), (False, True, "bf16")]
)
def test_bf16_is_fast_where_the_processor_has_instructions_for_it(monkeypatch, avx512, amx, precision):
    instructions(monkeypatch, avx512=avx512, amx=amx)
    assert fast_precision(CPU) == precision
    assert runtime_of(recipe("auto"), CPU).precision == precision


def test_a_precision_that_was_asked_for_is_used_whatever_is_fast(monkeypatch):
    instructions(monkeypatch, avx512=True, amx=True)
    assert runtime_of(recipe("fp32"), CPU).precision == "fp32"


@pytest.mark.parametrize(
    ("precision", "layout", "amx", "channels_last"),
    [
        ("auto", "auto", True, True),
        ("auto", "auto", False, False),
        ("fp32", "auto", True, False),
        ("bf16", "auto", False, True),
        ("auto", "false", True, False),
        ("fp32", "true", False, True),
    ],
)
def test_channels_lie_last_where_it_computes_in_bf16_or_where_that_was_asked_for(
    monkeypatch, precision, layout, amx, channels_last
):
    instructions(monkeypatch, avx512=False, amx=amx)
    assert runtime_of(recipe(precision, layout), CPU).channels_last is channels_last


def arithmetic_of(path: Path) -> tuple[str, bool]:
    environment = json.loads(path.read_text())["environment"]
    return environment["precision"], environment["channels_last"]


@pytest.mark.parametrize("amx", [True, False], ids=["with", "without"])
def test_a_run_keeps_what_auto_became_whatever_the_processor_it_is_resumed_on(tmp_path: Path, monkeypatch, amx: bool):
    monkeypatch.setattr("lgbench.training.pictures.save_curves", lambda *args: None)
    place, auto = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU), recipe("auto")
    instructions(monkeypatch, avx512=False, amx=amx)
    first = run(auto, place, {}, registry().plugins, Quiet())
    assert arithmetic_of(first) == (("bf16", True) if amx else ("fp32", False))
    instructions(monkeypatch, avx512=False, amx=not amx)
    before = arithmetic_of(first)
    first.unlink()  # as if it had been stopped
    again = run(recipe("auto"), place, {}, registry().plugins, Quiet())
    assert again.parent == first.parent
    assert arithmetic_of(again) == before


def test_a_deterministic_run_says_so_and_leaves_the_next_one_as_it_was(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("lgbench.training.pictures.save_curves", lambda *args: None)
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU, deterministic=True)
    record = json.loads(run(recipe("fp32"), place, {}, registry().plugins, Quiet()).read_text())
    assert torch.are_deterministic_algorithms_enabled()
    assert record["environment"]["deterministic"] is True
    other = Place(tmp_path / "other", DataHome(tmp_path / "home"), CPU)
    record = json.loads(run(recipe("fp32"), other, {}, registry().plugins, Quiet()).read_text())
    assert not torch.are_deterministic_algorithms_enabled()
    assert "deterministic" not in record["environment"]


def test_a_record_says_which_precision_auto_was(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("lgbench.training.pictures.save_curves", lambda *args: None)
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU)
    record = json.loads(run(recipe("auto"), place, {}, registry().plugins, Quiet()).read_text())
    assert record["recipe"]["training"]["precision"] == "auto"
    assert record["environment"]["precision"] == fast_precision(CPU)
