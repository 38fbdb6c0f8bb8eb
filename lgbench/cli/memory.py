"""What a training step holds in memory at once, and what of it grows with the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lgbench.training.player import Player

__all__ = ["Kept", "Memory", "keeping"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a step holds at most, beside torch itself, its workspaces and the data.

    Attributes:
        weights: parameters and buffers of all networks.
        learning: gradients and Adam's two averages, of every network that a phase trains.
        average: the averaged result, where there is one.
        kept: what graphs keep of one part of the batch for the way back.
        images: in such a part.
    """

    weights: int
    learning: int
    average: int
    kept: int
    images: int

    @classmethod
    def of(cls, player: Player, kept: int) -> Memory:
        """That of a player whose graphs keep so much."""
        weights = sum(_bytes(network) for network in {player.game.painter, *player.networks.values()})
        trained = sum(_bytes_learning(player, phase) for phase in player.trained)
        average = _bytes(player.average) if player.average is not None else 0
        return cls(weights, trained, average, kept, player.schedule.batch // player.schedule.accumulate)

    @property
    def total(self) -> int:
        """All of it together."""
        return self.weights + self.learning + self.average + self.kept

    def __str__(self) -> str:
        average = f", averaged ones {_mb(self.average)}" if self.average else ""
        each = _mb(self.kept / self.images)
        return (
            f"about {_mb(self.total)} of memory: weights {_mb(self.weights)}, gradients and Adam's averages "
            f"{_mb(self.learning)}{average}, and {self.images} x {each} for the pictures that are worked on at once"
        )


class Kept:
    """Counts the bytes that graphs keep for the way back: those of each storage once, for as long as it is kept."""

    def __init__(self, networks: list[nn.Module]) -> None:
        self.weights = {p.untyped_storage().data_ptr() for network in networks for p in network.parameters()}
        self.held = Counter[int]()
        self.now = self.peak = 0

    def pack(self, tensor: Tensor) -> Any:
        """Hold a tensor until what it is kept in is gone."""
        storage = tensor.untyped_storage()
        return tensor if storage.data_ptr() in self.weights else _Held(self, tensor, storage.data_ptr())

    def change(self, storage: int, size: int, by: int) -> None:
        before = self.held[storage]
        self.held[storage] += by
        self.now += size * ((self.held[storage] > 0) - (before > 0))
        self.peak = max(self.peak, self.now)


class _Held:
    def __init__(self, kept: Kept, tensor: Tensor, storage: int) -> None:
        self.kept, self.tensor, self.storage = kept, tensor.detach(), storage
        self.size = tensor.untyped_storage().nbytes()
        kept.change(storage, self.size, 1)

    def __del__(self) -> None:
        self.kept.change(self.storage, self.size, -1)


@contextmanager
def keeping(player: Player) -> Iterator[Kept]:
    """Count what the graphs that are made inside keep."""
    kept = Kept([player.game.painter, *player.networks.values()])

    def unpack(held: Any) -> Tensor:
        return held.tensor if isinstance(held, _Held) else held

    with torch.autograd.graph.saved_tensors_hooks(kept.pack, unpack):
        yield kept


def _bytes(network: nn.Module) -> int:
    return sum(each.nbytes for each in (*network.parameters(), *network.buffers()))


def _bytes_learning(player: Player, phase: str) -> int:
    return 3 * sum(each.nbytes for name in player.trained[phase] for each in player.networks[name].parameters())


def _mb(size: float) -> str:
    mb = size / 2**20
    return f"{mb / 1024:,.1f} GB" if mb >= 1024 else f"{mb:,.{0 if mb >= 10 else 1}f} MB"
