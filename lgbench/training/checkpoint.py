"""A checkpoint holds all that a step reads, so that a killed run ends with the bits of one that was not."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import nn

from lgbench.errors import RunFailed
from lgbench.files import write_bytes

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
    write_bytes(path, buffer.getbuffer())


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or None where there is none.

    Raises:
        RunFailed: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as file:  # torch reads over bits that are others: the checksums are there, unread
            if (altered := file.testzip()) is not None:
                raise ValueError(f"{altered} is not what was written")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
    except Exception as error:  # zip, pickle and tensors fail in many ways; torch's advice is to trust the file
        reason = "no checkpoint" if isinstance(error, pickle.UnpicklingError) else str(error) or type(error).__name__
        raise RunFailed(
            f"{path} is damaged ({reason.splitlines()[0]}). Delete it and run the same command again to start this "
            "stage anew."
        ) from None
    return state


def save_weights(path: Path, network: nn.Module) -> None:
    """Write parameters and buffers as safetensors, atomically.

    Raises:
        RunFailed: the disk is full, or the network's state is not made of tensors.
    """
    try:
        # copies: where modules share a tensor, each name keeps it, and loading gives it to them all
        state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
        content = serialize(state)
    except Exception as error:  # safetensors has a type of its own, plugins have any
        raise RunFailed(
            f"The weights of {type(network).__name__} cannot be stored in {path.name}: {error}. A network's state must "
            "be tensors: its plugin needs mending."
        ) from error
    write_bytes(path, content)


def load_weights(path: Path, network: nn.Module, remedy: str) -> None:
    """Read what `save_weights` wrote into a network of the same build.

    Args:
        remedy: what to do about a file that is missing or damaged, as a sentence.

    Raises:
        RunFailed: the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise many types; all mean the same to a user
        why = "is missing" if isinstance(error, FileNotFoundError) else f"does not hold this network's weights: {error}"
        raise RunFailed(f"{path} {why}. {remedy}") from None
