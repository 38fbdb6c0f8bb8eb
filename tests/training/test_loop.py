"""The engine: what it trains, what it leaves alone, and that nothing that kills it changes how it ends."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy import ToyConfig, ToyPainter, toy_game

from lgbench import ImageSpec
from lgbench.data import Split
from lgbench.errors import RunFailed
from lgbench.game import Phase, Term, Weighted
from lgbench.layers import Batch
from lgbench.progress import Quiet, Reporter
from lgbench.runtime import Runtime
from lgbench.training import Schedule, Stage, fit, log
from lgbench.training.player import Player

CPU = Runtime(torch.device("cpu"), channels_last=False)
SPEC = ImageSpec(16)


def images(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 16, 16), dtype=np.uint8)


def toy(**changes):
    torch.manual_seed(0)
    return replace(toy_game(None, ToyPainter(ToyConfig(), SPEC), SPEC), **changes)


def play(folder: Path, steps: int = 30, reporter: Reporter | None = None, **schedule):
    game = toy()
    settings = {"log_every": 10, "grid_every": 0, "ema": 0.9, **schedule}
    stage = Stage("train", folder, CPU, reporter or Quiet())
    return game, fit(game, Split(images()), Schedule(steps, 8, **settings), stage)


@pytest.mark.usefixtures("curves")
def test_a_fit_leaves_weights_log_curves_grids_and_no_checkpoint(tmp_path: Path):
    _, fitted = play(tmp_path, grid_every=15)
    assert fitted.status == "done"
    assert fitted.steps == 30
    names = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {
        "generator.safetensors",
        "log.jsonl",
        "curves.png",
        "done.json",
        "grids/0000015.png",
        "grids/0000030.png",
    }
    rows = log.read(tmp_path / "log.jsonl")
    assert [row["step"] for row in rows] == [0, 10, 20, 29]
    assert {"critic", "generator", "coverage", "gradient/alpha", "gradient/paint"} <= set(rows[0])


def test_each_phase_moves_its_own_networks_only():
    player = Player(toy(), Schedule(1, 8), CPU)
    before = {name: [p.clone() for p in net.parameters()] for name, net in player.networks.items()}
    step = player._paint(0, Batch(CPU.images(torch.from_numpy(images(8)))))
    player._move(player.game.phases[0], [step])
    assert all(map(torch.equal, before["generator"], player.networks["generator"].parameters()))
    assert not all(map(torch.equal, before["critic"], player.networks["critic"].parameters()))
    after = [p.clone() for p in player.networks["critic"].parameters()]
    player._move(player.game.phases[1], [step])
    assert all(map(torch.equal, after, player.networks["critic"].parameters()))
    assert not all(map(torch.equal, before["generator"], player.networks["generator"].parameters()))


def test_a_phase_is_played_at_the_last_of_every_so_many_steps():
    game = toy()
    phases = [replace(game.phases[0], every=3), game.phases[1]]
    player = Player(replace(game, phases=phases), Schedule(1, 8), CPU)
    batch = CPU.images(torch.from_numpy(images(8)))
    assert [("critic" in player.play(n, Batch(batch), looking=False)) for n in range(4)] == [False, False, True, False]


def test_a_term_composes_before_the_critic_looks_and_its_networks_learn_with_the_generator():
    game = toy()
    probe = torch.nn.Linear(3, 1)
    seen = []

    def critic_loss(step):
        seen.append(step.layers.image)
        return {"critic": game.networks["critic"](step.layers.image.detach()).mean()}

    term = Term(
        penalty=lambda step: probe(step.painted.image.mean(dim=(2, 3))).square().mean(),
        compose=lambda layers: layers.recompose(layers.foregrounds, layers.alphas * 0),
        networks={"probe": probe},
    )
    phases = [Phase("critic", ["critic"], critic_loss), game.phases[1]]
    player = Player(replace(game, phases=phases, terms=[Weighted("probe", 2.0, term)]), Schedule(1, 8), CPU)
    before = probe.weight.clone()
    values = player.play(0, CPU.images(torch.from_numpy(images(8))), looking=False)
    painted_background = seen[0]
    assert torch.equal(painted_background, painted_background.clamp(-1, 1))
    assert "probe" in values
    assert not torch.equal(before, probe.weight)


def test_the_average_follows_its_decay_and_takes_buffers_from_the_live_network():
    player = Player(toy(), Schedule(1, 8, ema=0.5), CPU)
    batch = CPU.images(torch.from_numpy(images(8)))
    weights = []
    for number in range(3):
        player.play(number, Batch(batch), looking=False)
        weights.append(player.networks["generator"].get_parameter("paint.weight").detach().clone())
    expected = weights[0]
    for weight in weights[1:]:
        expected = 0.5 * expected + 0.5 * weight
    torch.testing.assert_close(player.result.get_parameter("paint.weight"), expected)
    live = player.networks["generator"].get_buffer("trunk.1.running_mean")
    assert torch.equal(player.result.get_buffer("trunk.1.running_mean"), live)


def test_the_averages_batch_norm_is_estimated_from_what_it_paints_itself():
    player = Player(toy(), Schedule(1, 8, ema=0.5), CPU)
    batch = Batch(CPU.images(torch.from_numpy(images(8))))
    for number in range(3):
        player.play(number, batch, looking=False)
    norm, seen = player.result.get_submodule("trunk.1"), []
    norm.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].mean(dim=(0, *range(2, inputs[0].ndim))))
    )
    live = player.result.get_buffer("trunk.1.running_mean").clone()
    player.estimate_statistics([batch] * 20)
    found = player.result.get_buffer("trunk.1.running_mean")
    torch.testing.assert_close(found, torch.stack(seen).mean(dim=0))
    assert not torch.allclose(found, live)
    assert torch.equal(player.networks["generator"].get_buffer("trunk.1.running_mean"), live)


def test_the_last_weights_are_kept_with_statistics_estimated_again(tmp_path: Path):
    play(tmp_path / "live", 6)
    play(tmp_path / "again", 6, estimate=10)
    kept = {name: load_file(tmp_path / name / "generator.safetensors") for name in ("live", "again")}
    differ = {key for key, value in kept["live"].items() if not torch.equal(value, kept["again"][key])}
    assert {"trunk.1.running_mean", "trunk.1.running_var"} <= differ
    assert all(".running_" in key or key.endswith("num_batches_tracked") for key in differ)


def test_a_loss_that_is_not_a_number_ends_the_fit_as_diverged(tmp_path: Path):
    game = toy()
    broken = Phase("generator", ["generator"], lambda step: {"generator": step.layers.image.mean() * float("nan")})
    game = replace(game, phases=[game.phases[0], broken])
    fitted = fit(game, Split(images()), Schedule(20, 8, grid_every=0), Stage("train", tmp_path, CPU, Quiet()))
    assert fitted.status == "diverged"
    assert fitted.flags == ("diverged",)
    assert (tmp_path / "done.json").exists()


def test_a_second_call_returns_at_once_what_is_done(tmp_path: Path):
    _, first = play(tmp_path)
    stamp = (tmp_path / "generator.safetensors").stat().st_mtime_ns
    _, second = play(tmp_path)
    assert second == first
    assert (tmp_path / "generator.safetensors").stat().st_mtime_ns == stamp


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond `size` bytes of any file, as a full disk or a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("room", "what"), [(20_000, "checkpoint.pt"), (20, "log.jsonl")])
def test_a_full_disk_leaves_nothing_half_written_and_the_next_call_finishes(tmp_path: Path, room: int, what: str):
    with no_file_larger_than(room), pytest.raises(RunFailed, match=rf"Cannot write .*{what}.*resume"):
        play(tmp_path, checkpoint_seconds=0)
    assert not [p for p in tmp_path.rglob("*") if "checkpoint" in p.name]
    _, fitted = play(tmp_path)
    assert fitted.status == "done"
    assert len(log.read(tmp_path / "log.jsonl")) == 4


SCRIPT = """
    import os, random, signal, sys, threading, time
    sys.path[:0] = [{tests!r}]
    from pathlib import Path
    import torch
    from lgbench.progress import Quiet, Reporter
    from training import test_loop

    torch.set_num_threads(1)
    folder, least = Path(sys.argv[1]), int(sys.argv[2])

    def die():
        time.sleep(random.random() / 200)  # while a step is played, or something is written
        os.kill(os.getpid(), signal.SIGKILL)

    class Deadly(Quiet):
        steps = 0

        def advance(self, done, values=None):
            self.steps += 1
            if self.steps == least:
                threading.Thread(target=die).start()
            if least and self.steps == least + 4:  # on a busy machine the thread may still wait for its turn
                os.kill(os.getpid(), signal.SIGKILL)

    test_loop.play(folder, steps=80, reporter=Deadly(), checkpoint_seconds=0, grid_every=7)
"""


def started(folder: Path, kill_after: int = 0) -> int:
    """The end of a process that plays in `folder`; killed at a random moment after so many steps, where it says so."""
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent.parent)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(folder), str(kill_after)]
    return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL).returncode


def final_bits(folder: Path) -> str:
    return hashlib.sha256((folder / "generator.safetensors").read_bytes()).hexdigest()


@pytest.mark.timeout(0)  # seconds on an idle machine; a busy one may take its time
def test_a_run_killed_at_random_moments_ends_with_the_bits_of_one_that_was_not(tmp_path: Path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert started(whole) == 0
    dice = random.Random(time.time_ns())
    for _ in range(2):
        assert started(cut, kill_after=dice.randint(2, 15)) == -signal.SIGKILL
        assert (cut / "checkpoint.pt").exists()
    assert started(cut) == 0
    assert final_bits(cut) == final_bits(whole)
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in log.read(folder / "log.jsonl")]
        for folder in (cut, whole)
    ]
    assert timeless[0] == timeless[1]


def test_a_signal_writes_a_checkpoint_and_the_next_call_resumes(tmp_path: Path, number: signal.Signals):
    reports = []

    class Interrupting(Quiet):
        def advance(self, done, values=None):
            if done == 7:
                os.kill(os.getpid(), number)

        def note(self, text):
            reports.append(text)

    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, reporter=Interrupting())
    assert (tmp_path / "checkpoint.pt").exists()
    play(tmp_path, reporter=Interrupting())
    assert reports == ["train: resumes at step 7"]


def test_a_hang_up_that_the_user_asked_not_to_be_told_of_ends_nothing(tmp_path: Path, monkeypatch):
    class HangingUp(Quiet):
        def advance(self, done, values=None):
            if done == 7:
                os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        assert play(tmp_path, reporter=HangingUp())[1].status == "done"
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EIO, "no terminal")])
def test_a_closed_pipe_ends_a_fit_with_a_checkpoint_and_changes_nothing(tmp_path: Path, error: OSError):
    class Closed(Quiet):
        def advance(self, done, values=None):
            if done == 10:
                raise error

    play(tmp_path / "whole", grid_every=5)
    with pytest.raises(OSError, match="Broken pipe|no terminal"):
        play(tmp_path / "cut", grid_every=5, reporter=Closed())
    assert (tmp_path / "cut" / "checkpoint.pt").exists()
    play(tmp_path / "cut", grid_every=5)
    assert final_bits(tmp_path / "cut") == final_bits(tmp_path / "whole")
    assert {p.name for p in (tmp_path / "cut/grids").iterdir()} == {
        p.name for p in (tmp_path / "whole/grids").iterdir()
    }
