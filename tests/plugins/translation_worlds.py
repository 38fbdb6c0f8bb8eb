"""Small translators, and tiles of known colours for them, for the tests of pix2pix and CycleGAN."""

from dataclasses import dataclass

import numpy as np
import torch

from lgbench import Dataset, ImageSpec
from lgbench.data import Split
from lgbench.data.samples import RawDataset, Sample
from lgbench.game import Game, Step
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request, resolve
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_translation.config import CycleGANConfig, CycleGANMethod, Pix2PixConfig, Pix2PixMethod
from lgbench_translation.game import CycleGANGame, Pix2PixGame
from lgbench_translation.model import CycleGAN, Pix2Pix

CPU = Runtime(torch.device("cpu"), channels_last=False)
SPEC = ImageSpec(32, segments=4)
COLOURS = np.array([(40, 60, 90), (230, 40, 40), (40, 220, 70), (250, 240, 60)], np.uint8)
TINY = {
    "pix2pix": {"generator.ngf": 4, "method.ndf": 4},
    "cyclegan": {"generator.ngf": 4, "generator.blocks": 1, "method.ndf": 4},
}


def tile(random: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Three rectangles over a ground, each of its class's colour: (H, W, 3) and its class map (H, W), uint8."""
    segments = np.zeros((side, side), np.uint8)
    for name in (1, 2, 3):
        y, x = random.integers(0, side - side // 4, 2)
        segments[y : y + side // 3, x : x + side // 3] = name
    return COLOURS[segments], segments


@dataclass(frozen=True)
class TilesConfig:
    images: int = 40
    test_images: int = 12


def tiles(config: TilesConfig, resolution: int, home: object) -> RawDataset:
    def samples(split: str, count: int):
        def draw():
            random = np.random.default_rng(len(split))
            for index in range(count):
                image, segments = tile(random, resolution)
                yield Sample(image, name=f"{split}-{index}", segments=segments)

        return draw

    counts = {"train": config.images, "test": config.test_images}
    return RawDataset(
        splits={split: samples(split, count) for split, count in counts.items()},
        counts=counts,
        origin="procedural",
        provides=frozenset({"segments"}),
        segment_names=("ground", "red", "green", "yellow"),
    )


TILES = Dataset(
    name="tiles",
    summary="coloured tiles and their class maps",
    build=tiles,
    config=TilesConfig,
    provides=frozenset({"segments"}),
    resolution=32,
    offline=True,
)


def split(n: int = 40, side: int = 32) -> Split:
    """An opened split of tiles."""
    random = np.random.default_rng(0)
    images, segments = zip(*(tile(random, side) for _ in range(n)), strict=True)
    names = ("ground", "red", "green", "yellow")
    return Split(np.stack(images).transpose(0, 3, 1, 2), segments=np.stack(segments), segment_names=names)


def batch(n: int = 4, side: int = 32) -> Batch:
    """Tiles as a step has them."""
    known = split(n, side).at(slice(None), {"segments"})
    return CPU.batch({name: torch.from_numpy(np.array(part)) for name, part in known.items()})


def pix2pix(spec: ImageSpec = SPEC, *, dropout: float = 0.5, ngf: int = 4, **method) -> Pix2PixGame:
    """Painter, critic and losses of pix2pix with seeded weights."""
    torch.manual_seed(0)
    painter = Pix2Pix(Pix2PixConfig(ngf, dropout), spec)
    return Pix2PixGame(Pix2PixMethod(**{"ndf": 4, **method}), painter, spec)


def cyclegan(spec: ImageSpec = SPEC, *, ngf: int = 4, blocks: int = 1, **method) -> CycleGANGame:
    """Painter, parser, critics and losses of CycleGAN with seeded weights."""
    torch.manual_seed(0)
    painter = CycleGAN(CycleGANConfig(ngf, blocks), spec)
    return CycleGANGame(CycleGANMethod(**{"ndf": 4, **method}), painter, spec)


def built(method: str, **changes: object) -> Game:
    """The game of a method, tiny but for `changes`, as its plugin's records build it."""
    known = registry()
    record, settings = known.get("methods", method), {**TINY[method], **changes}
    generator = known.get("generators", record.generator)
    tables = {
        table: {name.partition(".")[2]: value for name, value in settings.items() if name.startswith(table)}
        for table in ("generator", "method")
    }
    torch.manual_seed(0)
    painter = generator.build(generator.config(**tables["generator"]), SPEC)
    return record.build(record.config(**tables["method"]), painter, SPEC)


def step_of(game: Game, real: Batch | None = None) -> Step:
    """A step as the engine would hand it to a game's phases."""
    x = batch() if real is None else real
    given = game.given(x) if game.given else x

    def paint():
        painted = game.painter(game.painter.codes(len(x), given))
        return painted, painted

    return Step(0, x, *paint(), paint)


def player(game: Game, steps: int = 1, size: int = 4) -> Player:
    """The engine's player of a game."""
    return Player(game, Schedule(steps, size), CPU)


def recipe_of(method: str, dataset: Dataset = TILES, *, preset: str = "smoke", **settings) -> Recipe:
    """What a command would run, with the user's settings on top."""
    known = registry()
    record = known.get("methods", method)
    generator = known.get("generators", record.generator)
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    request = Request(method, dataset.name, preset, settings=dotted)
    return resolve(record, generator, dataset, known.regularizers, registry().segmenters, request)
