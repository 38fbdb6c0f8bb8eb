"""A checkpoint holds all that a step reads, so that a killed run ends with the bits of one that was not."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lgbench.errors import RunFailed
from lgbench.files import atomic

__all__ = ["load", "load_weights", "random_state", "save", "save_weights", "set_random_state"]


def random_state() -> dict[str, Any]:
    """State of torch's generators on every device."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put back what `random_state` took; GPUs that are no longer here are left out."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    buffer = io.BytesIO()  # torch.save hides a full disk behind an error of its own
    torch.save(dict(state), buffer)
    with atomic(path) as file:
        file.write(buffer.getbuffer())


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or None where there is none.

    Raises:
        RunFailed: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise RunFailed(f"{path} is damaged ({error}). Delete it to start this stage again.") from None


def save_weights(path: Path, network: nn.Module) -> None:
    """Write parameters and buffers as safetensors, atomically."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        save_file(state, temporary)
        temporary.replace(path)
    except Exception as error:  # safetensors raises its own type for a full disk
        temporary.unlink(missing_ok=True)
        raise RunFailed(f"Cannot write {path}: {error}. Make room and run the same command again.") from error


def load_weights(path: Path, network: nn.Module) -> None:
    """Read what `save_weights` wrote into a network of the same build.

    Raises:
        RunFailed: the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise many types; all mean the same to a user
        raise RunFailed(f"{path} does not hold this network's weights: {error}. Delete the run's folder.") from None
