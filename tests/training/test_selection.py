"""A judge that looks at the result now and then: the best is kept, and looking changes nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import GENERATOR, METHOD, SQUARES, ToyConfig, ToyPainter, toy_game

from lgbench import ImageSpec
from lgbench.data import DataHome, Split
from lgbench.errors import RunFailed
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.run import Place, run
from lgbench.runtime import Runtime
from lgbench.training import Schedule, Stage, checkpoint, fit, log

CPU = Runtime(torch.device("cpu"), channels_last=False)


def play(folder: Path, judge=None, reporter=None, **schedule):
    torch.manual_seed(0)
    spec = ImageSpec(16)
    game = toy_game(None, ToyPainter(ToyConfig(), spec), spec)
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    settings = {"steps": 12, "batch": 4, "log_every": 2, "grid_every": 0, "ema": 0.9, "judge_every": 4, **schedule}
    return fit(game, Split(images), Schedule(**settings), Stage("train", folder, CPU, reporter or Quiet()), judge)


def weights(folder: Path) -> bytes:
    return (folder / "generator.safetensors").read_bytes()


def verdicts(folder: Path, *values: float):
    """A judge whose first look says the first value, and so on; a look that is taken again says the same again."""
    return lambda painter: values[len(log.read(folder / "judged.jsonl"))]


def after(folder: Path, step: int) -> bytes:
    """The result after that many steps of the same run."""
    play(folder, stop=step)
    return weights(folder)


def test_the_weights_of_the_best_look_are_kept(tmp_path: Path):
    fitted = play(tmp_path / "run", verdicts(tmp_path / "run", 5.0, 3.0, 4.0))
    assert (fitted.steps, fitted.selected, fitted.best) == (12, 8, 3.0)
    assert weights(tmp_path / "run") == after(tmp_path / "stopped", 8)
    assert weights(tmp_path / "run") != after(tmp_path / "longer", 12)
    looks = [(row["step"], row["value"]) for row in log.read(tmp_path / "run" / "judged.jsonl")]
    assert looks == [(3, 5.0), (7, 3.0), (11, 4.0)]


def test_of_equal_looks_the_first_is_kept(tmp_path: Path):
    assert play(tmp_path, verdicts(tmp_path, 2.0, 2.0, 2.0)).selected == 4


def test_the_last_step_is_looked_at_whatever_the_period(tmp_path: Path):
    fitted = play(tmp_path, verdicts(tmp_path, 3.0, 2.0, 1.0), judge_every=5)
    assert [row["step"] for row in log.read(tmp_path / "judged.jsonl")] == [4, 9, 11]
    assert fitted.selected == 12


def test_a_judge_that_never_gives_a_number_leaves_the_last_weights(tmp_path: Path):
    fitted = play(tmp_path / "run", lambda painter: float("nan"))
    assert (fitted.selected, fitted.best) == (12, None)
    assert weights(tmp_path / "run") == after(tmp_path / "longer", 12)


def test_looking_does_not_change_the_run(tmp_path: Path):
    """A judge that throws dice, paints, and likes every look better than the one before: the last weights."""
    worse = iter(range(100, 0, -1))

    def judge(painter) -> float:
        torch.manual_seed(7)
        painter(painter.codes(5))
        return float(next(worse))

    assert play(tmp_path / "watched", judge, judge_every=1).selected == 12
    play(tmp_path / "alone")
    assert weights(tmp_path / "watched") == weights(tmp_path / "alone")
    rows = [log.read(tmp_path / name / "log.jsonl") for name in ("watched", "alone")]
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in part] for part in rows]
    assert timeless[0] == timeless[1]


def test_the_judge_sees_the_averaged_result_in_eval_mode(tmp_path: Path):
    seen = []

    def judge(painter) -> float:
        seen.append((painter.training, painter.get_parameter("paint.weight").detach().clone()))
        return 1.0

    play(tmp_path, judge, judge_every=12)
    ((training, looked_at),) = seen
    assert not training
    from safetensors.torch import load_file

    assert torch.equal(looked_at, load_file(tmp_path / "generator.safetensors")["paint.weight"])


class Killing(Quiet):
    def __init__(self, done: int, how: str) -> None:
        self.done, self.how = done, how

    def advance(self, done: int, values=None) -> None:
        if done == self.done:
            if self.how == "crash":
                raise SystemExit
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("values", [(1.0, 3.0, 2.0), (3.0, 1.0, 2.0), (3.0, 2.0, 1.0)], ids=["first", "middle", "last"])
@pytest.mark.parametrize(("done", "how"), [(6, "ctrl-c"), (8, "ctrl-c"), (9, "crash"), (4, "crash")])
@pytest.mark.parametrize("checkpoint_seconds", [0, 60])
def test_a_judged_run_that_is_killed_ends_as_one_that_was_not(tmp_path, values, done, how, checkpoint_seconds):
    whole = play(tmp_path / "whole", verdicts(tmp_path / "whole", *values))
    cut, judge = tmp_path / "cut", verdicts(tmp_path / "cut", *values)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        play(cut, judge, Killing(done, how), checkpoint_seconds=checkpoint_seconds)
    fitted = play(cut, judge, checkpoint_seconds=checkpoint_seconds)
    assert (fitted.selected, fitted.best) == (whole.selected, whole.best)
    assert weights(cut) == weights(tmp_path / "whole")
    assert (cut / "judged.jsonl").read_bytes() == (tmp_path / "whole" / "judged.jsonl").read_bytes()


def test_a_fit_that_was_killed_between_its_end_and_its_tidying_leaves_no_checkpoint(tmp_path: Path):
    judge = verdicts(tmp_path / "run", 5.0, 3.0, 4.0)
    play(tmp_path / "run", judge)
    ended = {path.name for path in (tmp_path / "run").iterdir()}
    (tmp_path / "run" / "checkpoint.pt").write_bytes(weights(tmp_path / "run"))
    play(tmp_path / "run", judge)
    assert {path.name for path in (tmp_path / "run").iterdir()} == ended


def test_all_that_a_judged_run_goes_on_from_is_its_checkpoint(tmp_path: Path):
    play(tmp_path / "whole", verdicts(tmp_path / "whole", 3.0, 1.0, 2.0))
    cut, other = tmp_path / "cut", tmp_path / "other"
    with pytest.raises(SystemExit):
        play(cut, verdicts(cut, 3.0, 1.0, 2.0), Killing(9, "crash"))
    other.mkdir()
    (other / "checkpoint.pt").write_bytes((cut / "checkpoint.pt").read_bytes())
    assert play(other, lambda painter: 2.0).selected == 8
    assert weights(other) == weights(tmp_path / "whole")


@pytest.mark.parametrize("kept", [None, {}, {"generator": {}}, {"generator": {"x": torch.zeros(2)}}, [1], "absent"])
def test_a_checkpoint_without_the_weights_of_its_best_look_is_told_and_untouched(tmp_path: Path, kept: object):
    judge = verdicts(tmp_path, 3.0, 1.0, 2.0)
    with pytest.raises(SystemExit):
        play(tmp_path, judge, Killing(9, "crash"))
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    assert state is not None
    state = {k: v for k, v in state.items() if k != "kept"} | ({} if kept == "absent" else {"kept": kept})
    checkpoint.save(tmp_path / "checkpoint.pt", state)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(RunFailed, match=r"(?s)checkpoint\.pt is not of these networks .* Delete it"):
        play(tmp_path, judge)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not (tmp_path / "done.json").exists()


def test_what_is_done_remembers_what_was_selected(tmp_path: Path):
    first = play(tmp_path, verdicts(tmp_path, 5.0, 3.0, 4.0))
    assert play(tmp_path, lambda painter: 0.0) == first


def test_a_pause_leaves_a_checkpoint_and_weights_and_goes_on_to_the_same_end(tmp_path: Path):
    paused = play(tmp_path / "run", stop=5)
    assert (paused.status, paused.steps) == ("paused", 5)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"checkpoint.pt", "generator.safetensors", "log.jsonl"}
    assert play(tmp_path / "run").status == "done"
    play(tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_a_pause_that_was_passed_is_not_played_again(tmp_path: Path):
    play(tmp_path, stop=5)
    played = []

    class Counting(Quiet):
        def advance(self, done: int, values=None) -> None:
            played.append(done)

    assert play(tmp_path, reporter=Counting(), stop=5).status == "paused"
    assert played == []
    with pytest.raises(SystemExit):
        play(tmp_path, reporter=Killing(9, "crash"), checkpoint_seconds=0)
    before = weights(tmp_path)
    assert play(tmp_path, reporter=Counting(), stop=5).steps == 8
    assert played == []
    assert weights(tmp_path) == before


def test_a_judge_looks_across_pauses(tmp_path: Path):
    judge = verdicts(tmp_path, 5.0, 3.0, 4.0)
    paused = play(tmp_path, judge, stop=8)
    assert (paused.selected, paused.best) == (8, 3.0)
    fitted = play(tmp_path, judge)
    assert (fitted.selected, fitted.best) == (8, 3.0)
    assert weights(tmp_path) == after(tmp_path / "stopped", 8)


def recorded(folder: Path, **overrides: object) -> dict:
    settings = {key.replace("__", "."): value for key, value in overrides.items()}
    settings = {"training.steps": 12, "evaluation.metrics": "coverage", "segmentation.name": "none", **settings}
    request = Request("toy", "squares", "smoke", settings=settings)
    chosen = resolve(METHOD, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)
    place = Place(folder / "run", DataHome(folder / "home"), torch.device("cpu"))
    path = run(chosen, place, {}, registry().plugins, Quiet())
    return json.loads(path.read_text())


def test_a_record_says_which_weights_were_judged_best_and_how_good_they_were(tmp_path: Path):
    record = recorded(tmp_path, training__select="fid-random", training__select_every=4, training__select_samples=20)
    (judged,) = (tmp_path / "run").glob("*/train/judged.jsonl")
    rows = log.read(judged)
    best = min(rows, key=lambda row: row["value"])
    assert [row["step"] for row in rows] == [3, 7, 11]
    assert record["selected_by"] == "best-fid-random-on-train"
    assert record["training"]["selected"] == best["step"] + 1
    assert record["training"]["judged"] == {"fid-random": best["value"]}


@pytest.mark.parametrize("rule", ["border", "painted"])
def test_what_is_learnt_and_called_the_object_does_not_depend_on_the_evaluations_batch(tmp_path: Path, rule: str):
    select = {"training__select": "fid-random", "training__select_every": 4, "training__select_samples": 120}
    taught = {"segmentation__name": "unet-s", "segmentation__polarity": rule}
    few, many = (
        recorded(tmp_path / str(batch), **select, **taught, evaluation__batch=batch, evaluation__samples=50)
        for batch in (7, 100)
    )
    assert few["training"]["judged"] == many["training"]["judged"]
    assert few["segmentation"].get("border") == many["segmentation"].get("border")
    learnt = [{k: v for k, v in r["artefacts"].items() if k.endswith(".safetensors")} for r in (few, many)]
    assert learnt[0] == learnt[1]


def test_without_a_judge_a_record_says_the_last(tmp_path: Path):
    record = recorded(tmp_path)
    assert record["selected_by"] == "ema-last"
    assert (record["training"]["selected"], record["training"]["judged"]) == (None, None)
    assert recorded(tmp_path / "plain", training__ema=0)["selected_by"] == "last"
