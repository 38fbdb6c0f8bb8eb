"""The general ways to segment with a trained generator. Records only: no torch until one is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

from .records import NoConfig, Segmenter

__all__ = ["SEGMENTERS", "UNetConfig"]


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """A U-Net that learns painted pairs.

    Attributes:
        width: channels at full resolution.
        target: learn the thresholded or the soft alpha.
        cut: alpha above which a painted pixel counts as foreground, for hard targets.
        drop_at, drop: from this share of the steps on, `lr` is multiplied by `drop` (BGAW: 2 / 3 and 0.2).
        colours: jitter the colours of what it learns from (`lgbench.nn.jitter_colours`), as ILSGAN does.
    """

    width: Annotated[int, Ge(1)] = 64
    target: Literal["hard", "soft"] = "hard"
    cut: Annotated[float, Ge(0), Lt(1)] = 0.5
    lr: Annotated[float, Gt(0)] = 1e-3
    drop_at: Annotated[float, Gt(0)] = 2 / 3
    drop: Annotated[float, Gt(0)] = 0.2
    colours: bool = False


def _unet(kind: str):
    def build(config: UNetConfig, painter: Any, spec: Any) -> Any:
        from .segmentation import unet_game

        return unet_game(kind, config, painter)

    return build


def _generator(config: NoConfig, painter: Any, spec: Any) -> Any:
    from .segmentation import generator_game

    return generator_game(painter)


SEGMENTERS = (
    Segmenter(name="unet-s", summary="U-Net-S learns painted (image, mask) pairs", build=_unet("s"), config=UNetConfig),
    Segmenter(name="unet-l", summary="U-Net-L learns painted (image, mask) pairs", build=_unet("l"), config=UNetConfig),
    Segmenter(
        name="generator", summary="a conditional generator parses the image itself", build=_generator, paints=True
    ),
)
