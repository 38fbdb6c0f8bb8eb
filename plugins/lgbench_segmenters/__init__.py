"""The general ways to segment with a trained generator: a U-Net that learns painted pairs, or the generator itself."""

from __future__ import annotations

from typing import Any

from lgbench import NoConfig, Segmenter, hookimpl

from .config import UNetConfig

__all__ = ["segmenters"]

LGBENCH_API = 2


def _unet(kind: str):
    def build(config: UNetConfig, painter: Any, spec: Any) -> Any:
        from .games import unet_game

        return unet_game(kind, config, painter)

    return build


def _generator(config: NoConfig, painter: Any, spec: Any) -> Any:
    from .games import generator_game

    return generator_game(painter)


@hookimpl
def segmenters() -> list[Segmenter]:
    return [
        Segmenter(
            name="unet-s", summary="U-Net-S learns painted (image, mask) pairs", build=_unet("s"), config=UNetConfig
        ),
        Segmenter(
            name="unet-l", summary="U-Net-L learns painted (image, mask) pairs", build=_unet("l"), config=UNetConfig
        ),
        Segmenter(
            name="generator", summary="a conditional generator parses the image itself", build=_generator, paints=True
        ),
    ]
