"""What a person looks at: sample grids while it trains, loss curves at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lgbench.files import atomic
from lgbench.layers import Layers, paint_over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["coloured", "drawing", "enlargement", "layer_grid", "save_curves", "save_png"]


def enlargement(side: int) -> int:
    """How many times pictures of a side are enlarged to be seen: so that small ones fill some 64 pixels."""
    return max(1, 64 // side)


def layer_grid(layers: Layers, images: Tensor | None = None) -> np.ndarray:
    """One row a sample: [what was given] image[, background, each foreground and its alpha, composite of the layers].

    Args:
        images: (N, 3, H, W), what a conditional generator was given: images, or class maps in colours.

    Returns:
        (rows, columns, 3) uint8; small pictures are enlarged.
    """
    scale = enlargement(layers.image.shape[-1])
    columns = [] if images is None else [images]
    columns += [layers.image, layers.background] if layers.layered else [layers.image]
    for f, alpha in zip(layers.foregrounds.unbind(1), layers.alphas.unbind(1), strict=True):
        columns += [f, alpha.expand(-1, 3, -1, -1) * 2 - 1]
    if layers.layered:
        columns.append(paint_over(layers.background, layers.foregrounds, layers.alphas))
    padded = [torch.nn.functional.pad(column.float(), (1, 1, 1, 1), value=1.0) for column in columns]
    sheet = torch.cat([torch.cat(list(column), dim=1) for column in padded], dim=2)
    pixels = ((sheet.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def coloured(segments: Tensor) -> Tensor:
    """Class maps, (N, H, W) uint8, as pictures, (N, 3, H, W) in [-1, 1]: class 0 is black, what is ignored is white."""
    index = torch.arange(256, dtype=torch.float32, device=segments.device)
    hue = (index * 0.618034) % 1  # by the golden ratio, neighbouring classes are far apart
    palette = (2 * ((hue[:, None] + torch.tensor([0.0, 1 / 3, 2 / 3], device=hue.device)) % 1 - 0.5)).abs() * 1.6 - 0.6
    palette[0], palette[255] = -1, 1
    return palette.clamp(-1, 1)[segments.long()].permute(0, 3, 1, 2)


def save_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 as PNG, atomically."""
    with atomic(path) as file:
        Image.fromarray(pixels).save(file, format="png")


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A matplotlib figure of so many inches to draw in, which is written as PNG then, atomically."""
    backend = os.environ.pop("MPLBACKEND", None)  # matplotlib's import fails on one that is not here, a notebook's, say
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
    with atomic(path) as file:
        FigureCanvasAgg(figure).print_png(file)


def save_curves(path: Path, rows: Sequence[Mapping[str, float | None]], title: str) -> None:
    """Draw every logged number over the steps: losses above, layer statistics in the middle, gradients below."""
    names = [name for name in {key: None for row in rows for key in row} if name not in ("step", "seconds")]
    layers = [name for name in names if name in ("coverage", "greyness", "layer_difference")]
    gradients = [name for name in names if name.startswith("gradient/")]
    losses = [name for name in names if name not in layers and name not in gradients]
    panels = [(k, v) for k, v in (("losses", losses), ("layers", layers), ("gradient norms", gradients)) if v]
    with drawing(path, 9, 2.6 * max(len(panels), 1)) as figure:
        figure.suptitle(title)
        for index, (label, members) in enumerate(panels):
            axis = figure.add_subplot(len(panels), 1, index + 1)
            for name in members:
                points = [(row["step"] or 0.0, value) for row in rows if (value := row.get(name)) is not None]
                axis.plot([step for step, _ in points], [value for _, value in points], label=name, linewidth=0.9)
            axis.set_ylabel(label)
            axis.legend(fontsize="x-small", ncols=3)
            if label == "gradient norms":
                axis.set_yscale("log")
