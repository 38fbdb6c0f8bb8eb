"""How precisely a run computes, and that its record says so."""

import json
from pathlib import Path

import pytest
import torch
from run_worlds import Told
from toy import GENERATOR, METHOD, SQUARES

from lgbench.data import DataHome
from lgbench.errors import BadRecipe, RunFailed
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.run import Place, run, runtime_of
from lgbench.runtime import compiler_fault, fast_precision

CPU = torch.device("cpu")


def recipe(precision: str, layout: object = "auto", **training: object):
    settings = {
        **{f"training.{name}": value for name, value in training.items()},
        "training.precision": precision,
        "training.channels_last": layout,
        "training.steps": training.get("steps", 2),
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


@pytest.mark.parametrize(
    "held",
    ["[]", "{}", '{"precision": "fp64", "channels_last": true}', '{"precision": "bf16", "channels_last": "yes"}'],
)
def test_what_auto_became_is_read_as_it_was_written_or_its_file_is_named(tmp_path: Path, held: str):
    (tmp_path / "arithmetic.json").write_text(held)
    with pytest.raises(RunFailed, match=r"arithmetic\.json is damaged .*Delete the run's folder"):
        runtime_of(recipe("auto"), CPU, tmp_path)


@pytest.mark.parametrize(
    ("said", "device", "steps", "compiled"),
    [
        ("off", "cuda", 9999, False),
        ("on", "cpu", 2, True),
        ("true", "cuda", 2, True),
        ("auto", "cuda", 9999, True),
        ("auto", "cuda", 100, False),
        ("auto", "cpu", 9999, False),
    ],
)
def test_auto_compiles_where_a_gpu_trains_for_long(said: str, device: str, steps: int, compiled: bool):
    assert runtime_of(recipe("fp32", compile=said, steps=steps), torch.device(device)).compile is compiled


def test_a_recipe_that_does_not_compile_is_called_as_before_there_was_auto():
    off, auto = recipe("fp32", compile="off"), recipe("fp32", compile="auto")
    assert off.as_dict()["training"]["compile"] is False
    assert off.hash == recipe("fp32").hash != auto.hash


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("No working C++ compiler found\nat all")


def test_what_cannot_be_compiled_is_refused_or_where_auto_chose_it_left_out_and_told(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(torch, "compile", broken)
    place, told = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU), Told()
    with pytest.raises(BadRecipe, match=r"compile=on cannot.*No working C\+\+ compiler found Install.*compile=off"):
        run(recipe("fp32", compile="on"), place, {}, registry().plugins, told)
    monkeypatch.setattr("lgbench.run.worth_compiling", lambda *_: True)
    record = json.loads(run(recipe("fp32", compile="auto"), place, {}, registry().plugins, told).read_text())
    assert record["environment"]["compile"] is False
    assert "not compiled: No working C++ compiler found" in told.notes


def test_a_run_that_auto_compiled_goes_on_compiled_or_not_at_all(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("lgbench.run.worth_compiling", lambda *_: True)
    monkeypatch.setattr("lgbench.run.compiler_fault", lambda _: "")
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: None)  # a test has no minutes
    place, told = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU), Told()
    first = run(recipe("fp32", compile="auto"), place, {}, registry().plugins, told)
    assert "computes in fp32, plain layout, compiled; a resumed run keeps that" in told.notes
    assert any(note.startswith("train: compiled, in ") for note in told.notes)
    first.unlink()  # as if it had been stopped
    monkeypatch.setattr("lgbench.run.worth_compiling", lambda *_: False)
    again = run(recipe("fp32", compile="auto"), place, {}, registry().plugins, told)
    assert json.loads(again.read_text())["environment"]["compile"] is True
    again.unlink()
    monkeypatch.setattr("lgbench.run.compiler_fault", lambda _: "no compiler.")
    with pytest.raises(BadRecipe, match="auto, which began compiled, cannot"):
        run(recipe("fp32", compile="auto"), place, {}, registry().plugins, told)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_compiled_run_that_is_cut_ends_with_the_bits_of_one_that_is_not(tmp_path: Path, monkeypatch):
    if fault := compiler_fault(CPU):
        pytest.skip(fault)

    class Interrupting(Told):
        def advance(self, done, values=None):
            if done == 2:
                raise OSError("nobody reads on")  # a checkpoint is written first

    made, records = recipe("fp32", compile="on", steps=4), []
    for name in ("whole", "cut"):
        place = Place(tmp_path / name, DataHome(tmp_path / "home"), CPU)
        if name == "cut":
            with pytest.raises(OSError, match="nobody reads on"):
                run(made, place, {}, registry().plugins, Interrupting())
        records.append(json.loads(run(made, place, {}, registry().plugins, Told()).read_text()))
    assert records[0]["artefacts"] == records[1]["artefacts"]


def test_a_deterministic_run_says_so_and_leaves_the_next_one_as_it_was(tmp_path: Path, monkeypatch):
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU, deterministic=True)
    record = json.loads(run(recipe("fp32"), place, {}, registry().plugins, Quiet()).read_text())
    assert torch.are_deterministic_algorithms_enabled()
    assert record["environment"]["deterministic"] is True
    other = Place(tmp_path / "other", DataHome(tmp_path / "home"), CPU)
    record = json.loads(run(recipe("fp32"), other, {}, registry().plugins, Quiet()).read_text())
    assert not torch.are_deterministic_algorithms_enabled()
    assert "deterministic" not in record["environment"]


def test_a_record_says_which_precision_auto_was(tmp_path: Path, monkeypatch):
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), CPU)
    record = json.loads(run(recipe("auto"), place, {}, registry().plugins, Quiet()).read_text())
    assert record["recipe"]["training"]["precision"] == "auto"
    assert record["environment"]["precision"] == fast_precision(CPU)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("backend='inductor' raised:\nInvalidCxxCompiler: No compiler: g++\n\nSet TORCH..."),
            "No compiler",
        ),
        (FileNotFoundError("g++"), "g++"),
        (AssertionError(), "AssertionError"),
        (RuntimeError("\nraised:\n"), "RuntimeError"),
    ],
)
def test_why_nothing_can_be_compiled_is_told_by_the_line_that_says_it(monkeypatch, error: Exception, told: str):
    def refuse(_):
        raise error

    monkeypatch.setattr(torch, "compile", refuse)
    assert told in compiler_fault(CPU)
