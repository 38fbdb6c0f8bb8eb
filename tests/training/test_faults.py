"""What goes wrong around a training costs what it is about, and says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_loop import CPU, images, play, toy

from lgbench.data import Split
from lgbench.errors import RunFailed
from lgbench.progress import Quiet
from lgbench.training import Schedule, Stage, checkpoint, fit, log, loop


@pytest.mark.parametrize("picture", ["save_curves", "save_png", "layer_grid"])
def test_a_picture_that_fails_costs_the_picture_only(tmp_path: Path, monkeypatch, picture: str):
    def fails(*_: object, **__: object) -> None:
        raise ValueError("no backend\nat all")

    told = []

    class Noting(Quiet):
        def note(self, text):
            told.append(text)

    monkeypatch.setattr(loop.pictures, picture, fails)
    _, fitted = play(tmp_path, grid_every=30, reporter=Noting())
    assert fitted.status == "done"
    assert (tmp_path / "generator.safetensors").exists()
    assert len(told) == 1
    assert told[0].endswith("was not drawn: no backend")


def test_curves_are_drawn_whatever_a_notebook_says_of_its_display(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from lgbench.training.pictures import save_curves; "
        "save_curves(Path(sys.argv[1]), [{'step': 0, 'critic': 1.0}], 'x'); import os; print(os.environ['MPLBACKEND'])"
    )
    backend = "module://matplotlib_inline.of_another_environment"
    command, environment = (
        [sys.executable, "-c", code, str(tmp_path / "curves.png")],
        {**os.environ, "MPLBACKEND": backend},
    )
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == backend, done.stderr
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_weights_are_stored_before_anything_is_drawn(tmp_path: Path, monkeypatch):
    def killed(*_: object) -> None:
        assert (tmp_path / "generator.safetensors").exists()
        raise SystemExit

    monkeypatch.setattr(loop.pictures, "save_curves", killed)
    with pytest.raises(SystemExit):
        play(tmp_path)


@pytest.mark.parametrize("how", ["module", "parameter", "view"])
def test_networks_that_share_tensors_are_stored_and_read(tmp_path: Path, how: str):
    class Sharing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
            if how == "module":
                self.b = self.a
            if how == "parameter":
                self.b.weight = self.a.weight
            if how == "view":
                self.register_buffer("whole", torch.arange(6.0))
                self.register_buffer("part", self.get_buffer("whole")[2:])

    network, other = Sharing(), Sharing()
    checkpoint.save_weights(tmp_path / "x.safetensors", network)
    checkpoint.load_weights(tmp_path / "x.safetensors", other, "")
    assert all(map(torch.equal, network.state_dict().values(), other.state_dict().values()))
    assert how == "view" or other.a.weight is other.b.weight


def test_a_state_that_cannot_be_stored_is_named_with_its_own_reason(tmp_path: Path):
    class Odd(torch.nn.Linear):
        def get_extra_state(self) -> dict:
            return {"a": 1}

    with pytest.raises(RunFailed, match=r"weights of Odd cannot be stored.*plugin") as refused:
        checkpoint.save_weights(tmp_path / "x.safetensors", Odd(2, 2))
    assert "room" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"PK\x03\x04 cut", [1, 2], torch.zeros(3), {"step": 3}, {"step": 3, "networks": 5}, {}],
    ids=lambda content: type(content).__name__ + str(content)[:12].strip("{[("),
)
def test_a_damaged_checkpoint_is_named_with_what_to_delete(tmp_path: Path, content: object):
    path = tmp_path / "checkpoint.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(RunFailed, match=r"damaged.*Delete") as refused:
        play(tmp_path)
    assert "weights_only" not in str(refused.value)
    path.unlink()
    assert play(tmp_path)[1].status == "done"


def test_a_bit_of_a_checkpoint_that_is_another_is_not_trained_on(tmp_path: Path):
    path, state = tmp_path / "checkpoint.pt", {"step": 3, "networks": {"x": torch.arange(4000.0)}}
    checkpoint.save(path, state)
    whole, told = path.read_bytes(), 0
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        try:
            found = checkpoint.load(path)
        except RunFailed:
            told += 1
            continue
        assert found is not None
        assert found["step"] == 3
        assert torch.equal(found["networks"]["x"], state["networks"]["x"])
    assert told > 100


def leave_a_checkpoint_with(folder: Path, wrong: dict[str, object]) -> None:
    """Interrupt a fit of 30 steps at the seventh, and alter its checkpoint."""

    class Stopping(Quiet):
        def advance(self, done, values=None):
            if done == 7:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(folder, steps=30, reporter=Stopping(), checkpoint_seconds=0)
    state = checkpoint.load(folder / "checkpoint.pt")
    assert state is not None
    checkpoint.save(folder / "checkpoint.pt", {**state, **wrong})


@pytest.mark.parametrize("step", [-1, 31, 2.5, "3", None, True])
def test_a_checkpoint_of_a_step_that_there_is_not_is_refused(tmp_path: Path, step: object):
    leave_a_checkpoint_with(tmp_path, {"step": step})
    with pytest.raises(RunFailed, match=r"is of step .* of 30"):
        play(tmp_path, steps=30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": "x"},
        {"seconds": None},
        {"seconds": float("nan")},
        {"seconds": -1.0},
        {"best": "x"},
        {"best": float("nan")},
        {"best": 3.0},
        {"selected": "x"},
        {"selected": -1},
        {"selected": 9},
        {"selected": 5},
        {"best": "x", "selected": 5},
    ],
    ids=str,
)
def test_progress_that_no_fit_has_made_is_refused_as_a_damaged_checkpoint_is(tmp_path: Path, wrong: dict):
    leave_a_checkpoint_with(tmp_path, wrong)
    with pytest.raises(RunFailed, match=r"checkpoint\.pt is not of these networks .* Delete it"):
        play(tmp_path, steps=30)


@pytest.mark.parametrize("name", ["log.jsonl", "judged.jsonl"])
def test_a_folder_where_a_log_should_be_is_named(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(RunFailed, match=rf"{name}: Is a directory.*a file stands where a folder should be or the"):
        play(tmp_path)
    (tmp_path / name).rmdir()
    assert play(tmp_path)[1].status == "done"


@pytest.mark.parametrize("content", ["", "[]", "5", "{}", '{"status": "done"}', '{"flags": [], "x": 1}', "\0"])
def test_a_damaged_end_is_named_with_what_to_delete(tmp_path: Path, content: str):
    play(tmp_path / "train")
    (tmp_path / "train" / "done.json").write_text(content)
    with pytest.raises(RunFailed, match=r"done\.json is damaged.*Delete the folder .*train"):
        play(tmp_path / "train")


@pytest.mark.parametrize(
    "line", [b"[]", b"5", b'{"a": 1}', b'{"step": "x"}', b"\xff\xfe", b"{", b'{"step": null}', b""]
)
def test_a_damaged_line_of_the_log_costs_that_line(tmp_path: Path, line: bytes):
    rows = [b'{"step": 0, "seconds": 0.1}', line, b'{"step": 2, "seconds": 0.2}']
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(rows) + b"\n")
    assert [row["step"] for row in log.read(tmp_path / "log.jsonl")] == [0, 2]


def too_much(_: object) -> dict:
    return {"critic": torch.empty(1 << 60, dtype=torch.uint8).sum()}  # more than any machine's: torch refuses itself


def short(error: type[Exception]) -> Callable[[object], dict]:
    def loss(_: object) -> dict:
        raise error("CUDA out of memory. Tried to allocate 3 GiB")

    return loss


@pytest.mark.parametrize("loss", [too_much, short(torch.OutOfMemoryError), short(MemoryError)])
@pytest.mark.parametrize(
    ("name", "batch", "advice"),
    [
        (
            "train",
            8,
            r"8 images .*Try training\.batch=4, .* or --set training\.accumulate=2: the same batch in 2",
        ),
        (
            "train",
            9,
            r"9 images .*Try training\.batch=4, .* or --set training\.accumulate=3: the same batch in 3",
        ),
        ("train", 7, r"7 images .*Try training\.batch=3, which needs about half; "),
        ("segment-1", 5, r"5 images .*Try segmentation\.batch=2,"),
        ("train", 2, r"2 images .*Try a smaller --resolution"),
    ],
)
def test_memory_that_runs_out_is_answered_with_the_batch_to_try(tmp_path: Path, loss, name, batch, advice):
    game = toy()
    game = replace(game, phases=[replace(game.phases[0], loss=loss), game.phases[1]])
    with pytest.raises(RunFailed, match=f"{name}: cpu has too little memory for steps of {advice}"):
        fit(game, Split(images()), Schedule(4, batch, grid_every=0), Stage(name, tmp_path, CPU, Quiet()))


@pytest.mark.parametrize(("parts", "advice"), [(2, r"=4: the same batch in 4 parts;"), (4, r"Try a smaller --res")])
def test_a_batch_in_parts_that_are_too_large_is_told_of_more_parts(tmp_path: Path, parts: int, advice: str):
    game = toy()
    game = replace(game, phases=[replace(game.phases[0], loss=short(MemoryError)), game.phases[1]])
    schedule = Schedule(4, 8, grid_every=0, accumulate=parts)
    with pytest.raises(RunFailed, match=advice):
        fit(game, Split(images()), schedule, Stage("train", tmp_path, CPU, Quiet()))


def test_other_faults_of_a_step_are_not_called_a_lack_of_memory(tmp_path: Path):
    game = toy()
    game = replace(game, phases=[replace(game.phases[0], loss=lambda _: {"critic": torch.zeros(2) @ torch.zeros(3)})])
    with pytest.raises(RuntimeError, match="inconsistent tensor size|size"):
        fit(game, Split(images()), Schedule(4, 8, grid_every=0), Stage("train", tmp_path, CPU, Quiet()))


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1), ("windows", 0)])
def test_memory_is_told_in_bytes_on_every_system(monkeypatch, system: str, unit: int):
    used = SimpleNamespace(getrusage=lambda _: SimpleNamespace(ru_maxrss=1000), RUSAGE_SELF=0)
    monkeypatch.setitem(sys.modules, "resource", None if system == "windows" else used)
    monkeypatch.setattr(sys, "platform", system)
    assert CPU.peak_memory() == 1000 * unit
