"""A method small enough to train in a blink, and a data set of white squares whose masks are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lgbench import Dataset, Generator, ImageSpec, Method
from lgbench.data.samples import RawDataset, Sample
from lgbench.game import Game, Phase
from lgbench.layers import Batch, Layers, Painter
from lgbench.losses import bce_fake, bce_real


@dataclass(frozen=True)
class Squares:
    images: int = 48
    test_images: int = 20


def squares(config: Squares, resolution: int, home: object) -> RawDataset:
    def samples(split: str, count: int):
        def draw():
            random = np.random.default_rng(len(split))
            for index in range(count):
                image = random.integers(0, 90, (resolution, resolution, 3), dtype=np.uint8)
                y, x = random.integers(0, resolution // 2, 2)
                mask = np.zeros((resolution, resolution), bool)
                mask[y : y + resolution // 2, x : x + resolution // 2] = True
                image[mask] = 255
                yield Sample(image, mask, label=index % 3, name=f"{split}-{index}")

        return draw

    counts = {"train": config.images, "test": config.test_images}
    return RawDataset(
        splits={split: samples(split, count) for split, count in counts.items()},
        counts=counts,
        origin="procedural",
        provides=frozenset({"masks", "labels"}),
        classes=("a", "b", "c"),
    )


@dataclass(frozen=True)
class ToyConfig:
    width: int = 8


class ToyPainter(Painter):
    """Colours and a mask from one linear map each."""

    def __init__(self, config: ToyConfig, spec: ImageSpec) -> None:
        super().__init__()
        side = spec.resolution
        self.side = side
        self.trunk = nn.Sequential(nn.Linear(4, config.width), nn.BatchNorm1d(config.width), nn.ReLU())
        self.paint = nn.Linear(config.width, 7 * side * side)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, torch.Tensor]:
        return {"z": torch.randn(n, 4)}

    def forward(self, codes) -> Layers:
        x = self.paint(self.trunk(codes["z"])).float().view(-1, 7, self.side, self.side)
        b, f, m = x[:, :3].tanh(), x[:, 3:6].tanh(), x[:, 6:].sigmoid()
        return Layers.compose(b, f[:, None], m[:, None], codes=dict(codes))


def toy_game(config: object, painter: ToyPainter, spec: ImageSpec) -> Game:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * spec.resolution**2, 16), nn.Dropout(0.1), nn.Linear(16, 1))

    def critic_loss(step):
        return {"critic": bce_real(critic(step.images)) + bce_fake(critic(step.layers.image.detach()))}

    def generator_loss(step):
        return {"generator": bce_real(critic(step.layers.image))}

    return Game(
        painter=painter,
        networks={"generator": painter, "critic": critic},
        phases=[
            Phase("critic", ["critic"], critic_loss),
            Phase("generator", ["generator"], generator_loss, regularized=True),
        ],
    )


SQUARES = Dataset(
    name="squares",
    summary="white squares",
    build=squares,
    config=Squares,
    provides=frozenset({"masks", "labels"}),
    resolution=16,
    offline=True,
)
GENERATOR = Generator(name="toy", summary="linear layers", build=ToyPainter, config=ToyConfig)
FAST = {
    "training.steps": 30,
    "training.batch": 8,
    "training.log_every": 10,
    "training.grid_every": 15,
    "segmentation.steps": 3,
    "segmentation.batch": 4,
    "segmenter.width": 4,
    "evaluation.samples": 300,
    "evaluation.metrics": "iou,fid-random,fid,is,coverage,nmi",
}
METHOD = Method(
    name="toy",
    summary="linear",
    paper="",
    citation="",
    generator="toy",
    build=toy_game,
    presets={"smoke": FAST},
    segmenter="unet-s",
)


def folder_of(runs: Path) -> Path:
    """The folder of the only run below `runs`."""
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    return folder
