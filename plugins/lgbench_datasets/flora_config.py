"""Settings of `flora`, and what follows from them. No numpy here."""

from __future__ import annotations

from dataclasses import dataclass

from lgbench.errors import BadRecipe
from lgbench.settings import later

__all__ = [
    "BACKGROUNDS",
    "DIFFICULTIES",
    "SHIFTS",
    "SPLITS",
    "Flora",
    "FloraWild",
    "background_kinds",
    "check",
    "petal_counts",
]

BACKGROUNDS = ("uniform", "gradient", "leaves", "noise", "structure")
DIFFICULTIES = ("easy", "medium", "hard", "wild")
SHIFTS = ("none", "hue", "size", "background", "position")
SPLITS = ("train", "test", "val")  # each has a stream of its own, by its place here: a new one comes last


@dataclass(frozen=True, slots=True)
class Flora:
    """What the world looks like.

    Attributes:
        images: training images.
        test_images: test images.
        seed: another seed is another world of the same kind.
        background: one of `BACKGROUNDS`, or "mixed": drawn for each image among the difficulty's.
        difficulty: "easy" has calm, dark backgrounds of other hues than the flowers'; "medium" every background, with
            more contrast; "hard" noise and structure in any hue, with clutter on top; "wild" light and shade, stems and
            leaves, a quarter of them in the flowers' own hues, with buds and fallen petals on top: a flower is plain to
            see, and two clusters of colours are not it and its ground.
        flowers: most flowers in one image; each image has 1 to this many, later ones on top, all of one class.
        petals_min: petals of class 0.
        petals_max: petals of the last class; the others lie between.
        size_min: smallest radius of a lone flower, as a fraction of the side; several flowers are smaller.
        size_max: largest radius.
        classes: how many; a class has its number of petals and its hue.
        shift: how the test images differ from the training ones: "hue" turns the flowers' hues by a sixth of the
            circle, "size" halves the flowers, "background" shows only kinds that training does not, "position" lets
            the border cut the flowers.
        val_images: images to choose settings on, which look as the training ones do, whatever the shift.
    """

    images: int = 8000
    test_images: int = 1000
    seed: int = 0
    background: str = "mixed"
    difficulty: str = "easy"
    flowers: int = 1
    petals_min: int = 3
    petals_max: int = 12
    size_min: float = 0.2
    size_max: float = 0.38
    classes: int = 10
    shift: str = "none"
    val_images: int = later(1000)


@dataclass(frozen=True, slots=True)
class FloraWild(Flora):
    """`Flora` where colour alone does not give the flowers away."""

    difficulty: str = "wild"


def petal_counts(config: Flora) -> list[int]:
    """Petals of each class, from `petals_min` to `petals_max` in even steps; classes may share a number."""
    low, steps = config.petals_min, max(config.classes - 1, 1)
    return [low + (2 * c * (config.petals_max - low) + steps) // (2 * steps) for c in range(config.classes)]


def background_kinds(config: Flora, split: str) -> tuple[str, ...]:
    """Kinds of background that a split draws from; shifted, the test split has those that training lacks."""
    mixed = {
        "easy": ("uniform", "gradient", "leaves"),
        "medium": ("gradient", "leaves", "noise", "structure"),
        "hard": ("noise", "structure"),
        "wild": ("gradient", "structure"),
    }
    seen = mixed[config.difficulty] if config.background == "mixed" else (config.background,)
    if split == "test" and config.shift == "background":
        return tuple(kind for kind in BACKGROUNDS if kind not in seen)
    return seen


def check(config: Flora, resolution: int) -> None:
    """Raise `BadRecipe` unless the settings describe a world that can be painted."""
    for setting, known in (
        ("background", ("mixed", *BACKGROUNDS)),
        ("difficulty", DIFFICULTIES),
        ("shift", SHIFTS),
    ):
        value = getattr(config, setting)
        if value not in known:
            raise BadRecipe(f"flora knows no {setting} {value!r}; use one of {', '.join(known)}.")
    for possible, rule in (
        (resolution >= 8, "a resolution of at least 8 pixels"),
        (min(config.images, config.val_images, config.test_images) >= 1, "at least one image in every split"),
        (0 <= config.seed < 2**63, "a seed from 0 to 2**63 - 1"),
        (1 <= config.flowers <= 16, "1 to 16 flowers"),
        (1 <= config.petals_min <= config.petals_max <= 24, "1 <= petals_min <= petals_max <= 24"),
        (0.02 <= config.size_min <= config.size_max <= 0.48, "0.02 <= size_min <= size_max <= 0.48"),
        (1 <= config.classes <= 64, "1 to 64 classes"),
    ):
        if not possible:
            raise BadRecipe(f"flora needs {rule}; the recipe asks for {config} at {resolution} pixels.")
