"""Runs of the toy method, as a command would carry them out, for tests of whole runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from toy import GENERATOR, METHOD, SQUARES

from lgbench.data import DataHome, folder_dataset
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Recipe, Request, resolve
from lgbench.record import read_record
from lgbench.run import Place, chosen_metrics, run


def recipe(seed: int = 0, **overrides: object) -> Recipe:
    settings = {key.replace("__", "."): value for key, value in overrides.items()}
    request = Request("toy", "squares", "smoke", seed, settings=settings)
    return resolve(METHOD, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)


def carry_out(chosen: Recipe, runs: Path) -> dict:
    metrics = chosen_metrics(chosen.evaluation.metrics, registry().metrics)
    place = Place(runs, DataHome(runs.parent / "home"), torch.device("cpu"))
    path = run(chosen, place, metrics, registry().plugins, Quiet())
    assert read_record(path).method == "toy"
    return json.loads(path.read_text())


class Told(Quiet):
    """Remembers what a user would read."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[str] = []

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.stages.append(name)

    def note(self, text: str) -> None:
        self.notes.append(text)


def scenes(root: Path, colour: tuple[int, int, int], count: int = 12, inverted: bool = False) -> Path:
    """A folder of squares of one colour, with their masks."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        mask = np.zeros((16, 16), bool)
        mask[index % 8 : index % 8 + 7, 4:11] = True
        image = np.full((16, 16, 3), 40, np.uint8)
        image[mask] = colour
        Image.fromarray(image).save(root / "images" / f"{index:02d}.png")
        Image.fromarray(((mask ^ inverted) * 255).astype(np.uint8)).save(root / "masks" / f"{index:02d}.png")
    return root


def on_folder(
    root: Path, runs: Path, reporter: Quiet | None = None, metrics: str = "iou,acc,fid-random", **more
) -> dict:
    """The toy method on pictures of a user's own."""
    settings = {"training.steps": 6, "segmentation.steps": 2, "evaluation.samples": 8} | more
    request = Request("toy", f"folder:{root}", "smoke", settings={**settings, "evaluation.metrics": metrics})
    dataset = replace(folder_dataset(root), resolution=16)
    chosen = resolve(METHOD, GENERATOR, dataset, registry().regularizers, registry().segmenters, request)
    place = Place(runs, DataHome(runs.parent / "home"), torch.device("cpu"))
    path = run(chosen, place, chosen_metrics(metrics, registry().metrics), registry().plugins, reporter or Quiet())
    return json.loads(path.read_text()) | {"path": path}
