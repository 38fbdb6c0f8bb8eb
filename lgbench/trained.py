"""A finished run in Python again: its generator and segmenter, as they were evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .data import DataHome, Split
from .errors import NotAvailable, RunFailed
from .files import read_sound
from .game import Game
from .layers import Batch, Painter
from .lookup import look_up
from .offers import ImageSpec
from .painting import real_batch
from .polarity import oriented
from .progress import Quiet, Reporter
from .recipe import Request
from .record import read_record, record_files
from .run import check_learnt, open_splits, runtime_of
from .runtime import Run, choose_device
from .stages import build_game, build_segmenter, restore, study

__all__ = ["Trained", "asked", "load_run"]

REMEDY = "Delete it and run the run's command again."


@dataclass(frozen=True, slots=True)
class _Identity:
    """What loading a run reads of its `identity.json`."""

    images: ImageSpec


@dataclass(frozen=True, eq=False)
class Trained:
    """What a run has learnt.

    Attributes:
        run: recipe, folder, data home, runtime and reporter.
        game: the trained game, its networks on eval.
        segmenter: the taught game, None where the method has none; `segmenter.predict` maps images (N, 3, H, W) in
            [-1, 1] to the probability of foreground (N, 1, H, W).
        opened: the data set's splits, none before somebody asks for them.
    """

    run: Run
    game: Game
    segmenter: Game | None
    opened: dict[str, Split] = field(default_factory=dict, repr=False)

    @property
    def painter(self) -> Painter:
        """The generator: `painter(painter.codes(8, given(8)))` are eight images' layers.

        Raises:
            NotAvailable: the method paints nothing.
        """
        if self.run.recipe.method.generator is None:
            raise NotAvailable(f"{self.run.recipe.method.name} paints nothing: it only segments (`segmenter.predict`).")
        return self.game.painter

    def given(self, n: int, skip: int = 0) -> Batch | None:
        """What the generator paints from, of n test images after the first `skip`; None where it is given nothing."""
        if not self.painter.conditional:
            return None
        split = self.splits()["test"]
        index = np.arange(skip, skip + n) % len(split)
        return real_batch(split, index, self.painter.conditional, self.run.runtime)

    def splits(self) -> Mapping[str, Split]:
        """The run's data set, opened, and prepared where it is not; "train" is what it was trained on.

        Raises:
            RunFailed: the pictures are others now.
        """
        if not self.opened:
            splits = open_splits(self.run.recipe, self.run.home, self.run.reporter)
            check_learnt(self.run, self.game, self.segmenter, splits)
            self.opened.update(splits)
        return self.opened


def load_run(path: str | Path, device: str = "auto", reporter: Reporter | None = None) -> Trained:
    """Load what a finished run has learnt, without its pictures but where its segmenter learns from them anew.

    Args:
        path: the run's folder, below `runs/`.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        RunFailed: it is no folder of a run, it is not finished, files of it are damaged, or its segmenter learns from
            pictures when it is loaded, and they are others now.
        UnknownName, DataMissing: a plugin or a folder of pictures that it was made with is not here.
    """
    folder = Path(path)
    request = asked(folder)
    home = DataHome()
    recipe = look_up(request, home)
    runtime = replace(runtime_of(recipe, choose_device(device), folder), compile=False)  # some pictures are no training
    runtime.set_up()
    spec = read_sound(folder / "identity.json", _Identity, REMEDY).images
    game = build_game(recipe, spec)
    if game.phases and not (folder / "train" / "done.json").exists():
        raise _unfinished(folder)
    restore(game, folder / "train", runtime)
    segmenter = build_segmenter(recipe, game.painter, spec)
    if segmenter is not None and segmenter.phases:
        restore(segmenter, folder / "segment", runtime)
    trained = Trained(Run(recipe, folder, home, runtime, reporter or Quiet()), game, segmenter)
    if segmenter is not None and segmenter.study and not segmenter.phases:
        study(segmenter, trained.splits(), trained.run)  # what it knows lies with the data
    return replace(trained, segmenter=oriented(segmenter, lambda: trained.splits()["train"], trained.run))


def asked(folder: Path) -> Request:
    """What a finished run was asked for.

    Raises:
        RunFailed: it is no folder of a run, it is not finished, or files of it are damaged.
    """
    records = record_files(folder)
    if not (folder / "train" / "done.json").exists() and not records:
        raise _unfinished(folder)
    for name in ("request.json", "identity.json"):
        if not (folder / name).exists():
            joins = read_record(records[0]).aggregates if records else []
            if joins:
                raise RunFailed(
                    f"{folder} is an aggregate of runs of one class each and has no networks of its own. Name one of "
                    f"its runs; their records are {', '.join(joins)}."
                )
            raise RunFailed(f"{folder} was made by an earlier lgbench, which did not note {name}; run it again.")
    return read_sound(folder / "request.json", Request, REMEDY)


def _unfinished(folder: Path) -> RunFailed:
    return RunFailed(
        f"{folder} is not the folder of a finished run: it lacks train/done.json. `lgbench run` names the folder "
        "when it begins; run its command again to finish it."
    )
