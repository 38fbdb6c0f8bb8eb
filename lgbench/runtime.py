"""The one place that knows where and how precisely a run computes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from .data import DataHome
from .errors import BadRecipe
from .layers import Batch
from .progress import Reporter
from .recipe import Recipe

__all__ = ["Precision", "Run", "Runtime", "choose_device", "compiler_fault", "fast_precision", "worth_compiling"]

Precision = Literal["fp32", "tf32", "bf16"]

WORTH_COMPILING = 5000
"""Steps from which on a GPU makes up for the minutes that compiling takes; an estimate until one has measured it."""


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is the first GPU, or the CPU where there is none.

    Raises:
        BadRecipe: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise BadRecipe(f"--device {name} is not known: it is auto, cpu, cuda or cuda:N.")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadRecipe(f"--device {name} cannot be used: {str(error).splitlines()[0]} Try --device cpu.") from None
    return device


def fast_precision(device: torch.device) -> Precision:
    """ "bf16" where the device has instructions for it, else "fp32": without them bf16 is many times slower."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "fp32"


def worth_compiling(device: torch.device, steps: int) -> bool:
    """Whether `torch.compile` pays within so many steps. On a CPU it makes some methods slower (LR-GAN: 0.86)."""
    return device.type == "cuda" and steps >= WORTH_COMPILING


def compiler_fault(device: torch.device) -> str:
    """Why `torch.compile` cannot be used here, "" where it can; found by trying."""
    try:
        torch.compile(torch.neg)(torch.zeros(1, device=device))
    except Exception as error:  # no C++ compiler, no Triton, no headers: each has an exception of its own
        told = [line for line in str(error).splitlines() if line.strip() and not line.rstrip().endswith(":")]
        return told[0].strip() if told else type(error).__name__
    return ""


READ = {
    "masks": lambda part: part.float().div_(255).unsqueeze(1),
    "labels": lambda part: part.long(),
    "attributes": lambda part: part.float(),
}
"""How networks read what is stored as bytes; the other parts they read as they are."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Device and arithmetic of one run.

    Attributes:
        precision: "fp32", "tf32" (matrix products of GPUs) or "bf16" (autocast).
        channels_last: memory format of networks and images.
        compile: run networks through `torch.compile`.
        deterministic: the same bits each time on a GPU too; what has no such kernel there is refused by torch.
    """

    device: torch.device
    precision: Precision = "fp32"
    channels_last: bool = True
    compile: bool = False
    deterministic: bool = False

    @property
    def arithmetic(self) -> str:
        """Precision and layout in words, and whether networks are compiled."""
        layout = "channels last" if self.channels_last else "plain layout"
        return f"{self.precision}, {layout}{', compiled' if self.compile else ''}"

    def set_up(self) -> None:
        """Apply the settings that are the process's."""
        tf32 = self.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = self.device.type == "cuda" and not self.deterministic
        torch.use_deterministic_algorithms(self.deterministic)
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when its first product is computed
        if self.compile:
            torch._dynamo.reset()  # what earlier runs of this process compiled counts against the limit
            torch._dynamo.config.recompile_limit = 64  # learning, held and evaluated: three versions a network

    def autocast(self) -> AbstractContextManager:
        """bf16 inside, where the precision says so."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network here, in place; compile its forward where asked to."""
        network.to(self.device)
        if self.channels_last:
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if self.compile and network._compiled_call_impl is None:
            network.compile()
        return network

    def batch(self, parts: Mapping[str, Tensor]) -> Batch:
        """What a split holds of some images, by the names of `Batch`, as a batch on the device.

        Args:
            parts: "images" and more, with shapes and types as `lgbench.data.Split` has them.
        """
        known = {name: part.to(self.device, non_blocking=True) for name, part in parts.items() if name != "images"}
        for name, convert in READ.items():
            if name in known:
                known[name] = convert(known[name])
        return Batch(self.images(parts["images"]), **known)

    def peak_memory(self) -> int:
        """Largest memory so far, of the device or of the process, bytes; 0 where the system does not tell."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        try:
            import resource
        except ModuleNotFoundError:  # Windows
            return 0
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def images(self, uint8: Tensor) -> Tensor:
        """uint8 (N, C, H, W), C 1 or 3 -> float32 (N, 3, H, W) in [-1, 1] on the device."""
        x = uint8.to(self.device, non_blocking=True).float().div_(127.5).sub_(1)
        x = x.expand(-1, 3, -1, -1)
        return x.contiguous(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)


@dataclass(frozen=True, slots=True)
class Run:
    """A recipe on its way to a record: what every stage is handed.

    Attributes:
        folder: the run's own.
        home: where data sets live.
        runtime: where and how precisely it computes.
        reporter: is told what is being done.
        aside: seconds that went to what is taught once for a data set, whatever the run.
    """

    recipe: Recipe
    folder: Path
    home: DataHome
    runtime: Runtime
    reporter: Reporter
    aside: list[float] = field(default_factory=list)
