"""`--minutes`: a run stops in time with a checkpoint, and the same command goes on."""

import signal
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from toy import ToyConfig, ToyPainter, toy_game

from lgbench import ImageSpec
from lgbench.cli import time_limit as limits
from lgbench.cli.time_limit import TIME_IS_UP, time_limit
from lgbench.data import Split
from lgbench.progress import Quiet
from lgbench.runtime import Runtime
from lgbench.training import Schedule, Stage, fit


class Clock:
    """A timer that rings when a test says so."""

    def __init__(self, seconds: float, ring) -> None:
        Clock.last, self.seconds, self.ring, self.cancelled = self, seconds, ring, False

    def start(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr(limits.threading, "Timer", Clock)


def wait_for_ever() -> None:
    Clock.last.ring()
    while True:  # until it is interrupted
        pass


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["as usual", "in the background"])
def test_what_runs_ends_with_an_exit_status_of_its_own_when_the_time_is_up(capsys, handler):
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(click.exceptions.Exit) as ended, time_limit(8):
            wait_for_ever()
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.exit_code == TIME_IS_UP
    assert "8 minutes are over. Nothing is lost: the same command goes on." in capsys.readouterr().err


def test_an_interruption_of_the_users_is_theirs():
    with pytest.raises(KeyboardInterrupt), time_limit(8):
        raise KeyboardInterrupt


def test_what_ends_in_time_is_not_interrupted():
    with time_limit(8):
        pass
    assert Clock.last.cancelled


@pytest.mark.parametrize(("minutes", "seconds"), [(8, 450), (60, 3570), (1, 54), (0.1, 5.4)])
def test_the_step_at_hand_and_its_checkpoint_have_a_tenth_of_the_time_at_most_half_a_minute(minutes, seconds):
    with time_limit(minutes):
        assert Clock.last.seconds == pytest.approx(seconds)


def test_a_training_saves_its_step_and_goes_on_there(tmp_path: Path):
    notes = []

    class Ringing(Quiet):
        def advance(self, done, values=None):
            if done == 7:
                Clock.last.ring()

        def note(self, text):
            notes.append(text)

    def play() -> None:
        torch.manual_seed(0)
        spec = ImageSpec(16)
        game = toy_game(None, ToyPainter(ToyConfig(), spec), spec)
        reals = Split(np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8))
        runtime = Runtime(torch.device("cpu"), channels_last=False)
        fit(game, reals, Schedule(9, 8, grid_every=0), Stage("train", tmp_path, runtime, Ringing()))

    with pytest.raises(click.exceptions.Exit), time_limit(8):
        play()
    assert (tmp_path / "checkpoint.pt").exists()
    with time_limit(None):
        play()
    assert notes == ["train: resumes at step 7"]
    assert (tmp_path / "done.json").exists()
