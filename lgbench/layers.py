"""`Layers`: what every generator returns, and the one currency between the parts of lgbench."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, device, nn

__all__ = ["SLACK", "Batch", "Layers", "Nobody", "Painter", "covered_border", "paint_over"]

SLACK = 1e-2
"""By how much a share that half precision rounded may leave [0, 1]."""


@dataclass(frozen=True, slots=True)
class Layers:
    """A batch of images as their layers.

    Attributes:
        image: the composite, (N, 3, H, W) in [-1, 1].
        background: (N, 3, H, W) in [-1, 1].
        foregrounds: K layers in painting order, (N, K, 3, H, W) in [-1, 1]; K = 0 where a method paints whole images.
        alphas: their opacities, (N, K, 1, H, W) in [0, 1].
        codes: what the layers were painted from; categorical codes are class indices, (N,) int64.
        poses: affine matrices that placed the foregrounds, (N, K, 2, 3), where the method has them.
        extras: further tensors that a method's own losses read.
    """

    image: Tensor
    background: Tensor
    foregrounds: Tensor
    alphas: Tensor
    codes: Mapping[str, Tensor] = field(default_factory=dict)
    poses: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def alpha(self) -> Tensor:
        """Opacity of all foregrounds together, (N, 1, H, W): one minus what still shows of the background."""
        return 1 - (1 - self.alphas).prod(dim=1)

    @property
    def layered(self) -> bool:
        """Whether there is at least one foreground."""
        return self.alphas.shape[1] > 0

    def recompose(self, foregrounds: Tensor, alphas: Tensor) -> Layers:
        """The same background under other foregrounds and alphas; `image` follows."""
        image = paint_over(self.background, foregrounds, alphas)
        return replace(self, image=image, foregrounds=foregrounds, alphas=alphas)

    def detach(self) -> Layers:
        """The same layers without the graph that leads to them."""
        return replace(
            self,
            image=self.image.detach(),
            background=self.background.detach(),
            foregrounds=self.foregrounds.detach(),
            alphas=self.alphas.detach(),
            extras={name: extra.detach() for name, extra in self.extras.items()},
        )

    @classmethod
    def compose(cls, background: Tensor, foregrounds: Tensor, alphas: Tensor, **rest: Any) -> Layers:
        """Layers whose image is the composite of the given ones."""
        return cls(paint_over(background, foregrounds, alphas), background, foregrounds, alphas, **rest)

    @classmethod
    def flat(cls, image: Tensor, **rest: Any) -> Layers:
        """A whole image without foregrounds, from a generator that does not decompose."""
        n, c, h, w = image.shape
        return cls(image, image, image.new_zeros(n, 0, c, h, w), image.new_zeros(n, 0, 1, h, w), **rest)


def covered_border(alpha: Tensor) -> Tensor:
    """Share of an image's outermost pixels that its foregrounds cover, (N, 1, H, W) -> (N,) in [0, 1]."""
    sides = (alpha[..., 0, :], alpha[..., -1, :], alpha[..., 1:-1, 0], alpha[..., 1:-1, -1])
    return torch.cat(sides, dim=-1).float().mean(dim=(1, 2))


def paint_over(background: Tensor, foregrounds: Tensor, alphas: Tensor) -> Tensor:
    """Paint K foregrounds over a background, the last on top: x <- alpha f + (1 - alpha) x.

    Args:
        background: (N, C, H, W).
        foregrounds: (N, K, C, H, W).
        alphas: (N, K, 1, H, W) in [0, 1].

    Returns:
        (N, C, H, W); a convex mix, so the range of the layers is kept.
    """
    x = background
    for f, alpha in zip(foregrounds.unbind(dim=1), alphas.unbind(dim=1), strict=True):
        x = alpha * f + (1 - alpha) * x
    return x


@dataclass(frozen=True, slots=True)
class Batch:
    """Real images with what is known of them; None where the data set has no such thing, or nobody reads it.

    Attributes:
        images: (N, 3, H, W) in [-1, 1].
        masks: opacity of the foreground, (N, 1, H, W) in [0, 1].
        instances: which object each pixel belongs to, (N, H, W) uint8, 0 for background.
        labels: class indices, (N,) int64.
        segments: class maps, (N, H, W) uint8; 255 is ignored.
        attributes: 0 or 1 each, (N, A) float32.
        landmarks: x and y in pixels, 0 is the centre of the first, (N, P, 2) float32.
    """

    images: Tensor
    masks: Tensor | None = None
    instances: Tensor | None = None
    labels: Tensor | None = None
    segments: Tensor | None = None
    attributes: Tensor | None = None
    landmarks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Batch:
        """Those that a slice or a tensor of indices chooses, in its order."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {name: None if part is None else part[index] for name, part in parts.items()}
        return Batch(**chosen)


class Painter(nn.Module, ABC):
    """A generator network that also samples what it paints from.

    Attributes:
        layered: whether it paints a background and at least one foreground.
        foregrounds: how many it paints, where it is layered.
        conditional: what of a `Batch` its codes are drawn from: any of "images", its code "image", "segments",
            its code "s", and "attributes", its code "c".
        samples: whether its images are new. Where it only gives back those that it is given, how real they look says
            nothing, and metrics of samples are not available.
        recoverable: its categorical codes, name -> (the layer that shows it, "foreground" or "background"; classes).
        pose_range: lowest and highest entries of its `poses`, (2, 3) each, infinite where it has no bound; None where
            it has no poses.
    """

    layered: bool = True
    foregrounds: int = 1
    conditional: frozenset[str] = frozenset()
    samples: bool = True
    recoverable: Mapping[str, tuple[str, int]] = {}
    pose_range: tuple[Tensor, Tensor] | None = None
    __call__: Callable[..., Layers]

    @property
    def device(self) -> device:
        """Where it paints."""
        return next(self.parameters()).device

    @abstractmethod
    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """Sample the codes of `n` images on the network's device, with torch's global random state.

        Args:
            batch: n real images. Conditional generators read it, and autoencoders that sample without: what they are
                given in training, they encode. Class maps and attributes of theirs are the codes "s" and "c", as they
                are: terms and metrics look for them there.
        """

    @abstractmethod
    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """Paint the images that `codes` describe."""


class Nobody(Painter):
    """Paints nothing: its images are the real ones that it is given. For games that only look at real images."""

    layered = False
    conditional = frozenset({"images"})

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        """The real images."""
        assert batch is not None
        return {"image": batch.images[:n]}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        """The real images, whole."""
        return Layers.flat(codes["image"])
