"""Pictures that come back later (Shrivastava et al., CVPR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Pool"]


class Pool(nn.Module):
    """Keeps pictures of earlier steps and hands them out in exchange for new ones.

    What it keeps are buffers, and whom it exchanges is drawn with torch's global random state: a checkpoint holds both.

    Attributes:
        kept: (size, *shape); the first `count` of them are there.
        chance: that a picture which comes when the pool is full is exchanged for one drawn from it.
    """

    kept: Tensor
    count: Tensor

    def __init__(self, size: int, shape: tuple[int, ...], chance: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.chance = chance
        self.register_buffer("kept", torch.zeros(size, *shape, dtype=dtype))
        self.register_buffer("count", torch.tensor(0))

    @torch.no_grad()
    def exchange(self, fresh: Tensor) -> Tensor:
        """As many pictures as come, (N, *shape), each that one or one of before; until it is full, those that come.

        None comes back in the step in which it came, unless more come than there is room for.
        """
        shown, size, count = fresh.detach().clone(), len(self.kept), int(self.count)
        if not size:
            return shown
        slots = torch.randperm(size).repeat(len(fresh) // size + 1)
        exchanged = torch.rand(len(fresh)) < self.chance
        for index, (slot, leaves) in enumerate(zip(slots.tolist(), exchanged.tolist(), strict=False)):
            if count < size:
                self.kept[count] = shown[index]
                count += 1
            elif leaves:
                shown[index], self.kept[slot] = self.kept[slot].clone(), fresh[index]
        self.count.fill_(count)
        return shown
