"""The general ways to segment with a trained generator: a U-Net that learns painted pairs, or the generator itself."""

from __future__ import annotations

from lgbench import Lazy, Segmenter, hookimpl

__all__ = ["segmenters"]

LGBENCH_API = 2


@hookimpl
def segmenters() -> list[Segmenter]:
    return [
        Segmenter(
            name="unet-s",
            summary="U-Net-S learns painted (image, mask) pairs",
            config=Lazy("lgbench_segmenters.config:UNetConfig"),
            build=Lazy("lgbench_segmenters.games:unet_s"),
        ),
        Segmenter(
            name="unet-l",
            summary="U-Net-L learns painted (image, mask) pairs",
            config=Lazy("lgbench_segmenters.config:UNetConfig"),
            build=Lazy("lgbench_segmenters.games:unet_l"),
        ),
        Segmenter(
            name="unet-objects",
            summary="U-Net-S learns which foreground each painted pixel shows, whatever their order",
            config=Lazy("lgbench_segmenters.config:ObjectsConfig"),
            build=Lazy("lgbench_segmenters.objects:unet_objects"),
        ),
        Segmenter(
            name="generator",
            summary="a conditional generator parses the image itself",
            build=Lazy("lgbench_segmenters.games:generator"),
            paints=True,
        ),
    ]
