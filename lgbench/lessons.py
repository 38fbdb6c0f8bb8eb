"""Networks that learn from real images alone, once per data set: judges, classifiers, frozen segmentors."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from .data import Split, alone_and_whole
from .errors import RunFailed
from .files import sha256_of_file, sha256_of_json
from .game import Game, Lesson, Phase, Step
from .layers import Nobody
from .nn import weights_hash
from .runtime import Run
from .training import Schedule, Stage, fit
from .training.checkpoint import load_weights

__all__ = ["teach"]

LESSONS = 1  # raised whenever the same lesson would teach other weights
RESULT = "learner"


def teach(lesson: Lesson, reals: Split, run: Run) -> str:
    """Teach a lesson's network, or give it what it was taught before; it is on eval then, and stays as it is.

    What is learnt is kept below the data home's `taught/`, or in the run's folder where that cannot be written. Runs
    that need the same network at the same time wait for the one that teaches it. It is taught in full precision, so
    that it does not depend on the run's. How long that took, or the waiting, is noted in `run.aside`.

    Args:
        reals: the images that it learns from, with what the lesson reads of them.

    Returns:
        SHA-256 of the file of its weights.

    Raises:
        BadData: the data set lacks what the lesson reads.
        RunFailed: it diverged, or the disk is full.
    """
    key = sha256_of_json(
        {
            "lesson": [lesson.name, lesson.epochs, lesson.batch, lesson.lr, *lesson.betas],
            "network": weights_hash(lesson.network),
            "data": reals.digest(lesson.reads),
            "version": LESSONS,
        }
    )
    folder, began = _place(run) / key[:16], time.monotonic()
    weights = folder / f"{RESULT}.safetensors"
    with alone_and_whole(folder, f"the {lesson.name}"):
        if not (folder / "done.json").exists():
            run.reporter.note(f"{lesson.name}: is taught once for this data set, and kept in {folder}")
        _learn(lesson, reals, run, folder)
    run.aside.append(time.monotonic() - began)
    load_weights(weights, lesson.network, f"Delete {folder} to teach it again.")
    run.runtime.place(lesson.network).eval().requires_grad_(False)
    return sha256_of_file(weights)


def _place(run: Run) -> Path:
    kept = run.home.root / "taught"
    try:
        kept.mkdir(parents=True, exist_ok=True)
        (kept / ".writable").touch()
    except OSError:
        return run.folder / "taught"
    return kept


def _learn(lesson: Lesson, reals: Split, run: Run, folder: Path) -> None:
    def loss(step: Step):
        return {lesson.name: lesson.loss(step.real)}

    game = Game(
        painter=Nobody(),
        networks={RESULT: lesson.network},
        phases=[Phase(RESULT, [RESULT], loss, lr=lesson.lr, betas=lesson.betas)],
        result=RESULT,
        reads=lesson.reads,
        frozen=True,
    )
    steps = math.ceil(lesson.epochs * len(reals) / lesson.batch)
    schedule = Schedule(steps, min(lesson.batch, len(reals)), flip=False, grid_every=0)
    runtime = replace(run.runtime, precision="fp32", compile=False)
    fitted = fit(game, reals, schedule, Stage(lesson.name, folder, runtime, run.reporter))
    if fitted.status == "diverged":
        raise RunFailed(f"The {lesson.name} diverged while it was taught. Delete {folder} to teach it again.")
