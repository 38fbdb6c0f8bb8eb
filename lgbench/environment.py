"""What a number was made with: packages, versions, device, and the code down to its uncommitted changes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from . import __version__
from .plugins import PluginInfo
from .results import Record
from .runtime import Runtime

__all__ = ["changes", "code_state", "describe", "device_name"]

PACKAGES = (
    "numpy",
    "pandas",
    "pillow",
    "pluggy",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
    "torch-fidelity",
    "torchvision",
)


def describe(runtime: Runtime, plugins: Sequence[PluginInfo]) -> dict[str, Any]:
    """The parts of a record that tell the environment: `lgbench`, `plugins`, `packages`, `environment`."""
    return {
        "lgbench": code_state(),
        "plugins": [
            {"name": p.name, "version": p.version, "sha256": _module_hash(p.module)} for p in plugins if not p.reason
        ],
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "environment": {
            "python": platform.python_version(),
            "system": platform.system(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda if runtime.device.type == "cuda" else None,
            "driver": _driver() if runtime.device.type == "cuda" else None,
            "device": device_name(runtime.device),
            "precision": runtime.precision,
            "channels_last": runtime.channels_last,
            "compile": runtime.compile,
            "threads": torch.get_num_threads(),
        },
    }


def changes(record: Record, described: Mapping[str, Any]) -> str:
    """What of the code differs between a record and what `describe` tells now, in words; "" where nothing does."""
    now = described["lgbench"]
    told = [
        f"lgbench's {key} was {before}, now {now[key]}"
        for key, before in record.lgbench.model_dump().items()
        if key != "dirty" and before != now.get(key)
    ]
    hashes = {plugin["name"]: plugin["sha256"] for plugin in described["plugins"]}
    told += [f"the plugin {plugin.name}" for plugin in record.plugins if plugin.sha256 != hashes.get(plugin.name)]
    return "; ".join(told)


def device_name(device: torch.device) -> str:
    """A GPU's product name, or "CPU" with the processor's where the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return f"CPU ({line.partition(':')[2].strip()})"
    return f"CPU ({platform.processor() or platform.machine()})"


def code_state() -> dict[str, Any]:
    """Version, the git checkout's commit where there is one, and a hash of sources that differ from it."""
    folder = Path(__file__).parent.parent
    commit = _git(folder, "rev-parse", "HEAD") if (folder / ".git").exists() else None
    changes = _git(folder, "status", "--porcelain", "--", "lgbench", "plugins") if commit else ""
    dirty = changes != ""  # None: git could not tell
    return {
        "version": __version__,
        "commit": commit,
        "dirty": dirty,
        "dirty_hash": _module_hash("lgbench") if dirty else None,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _driver() -> str | None:
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split("\n")[0].strip() or None


def _module_hash(module: str) -> str:
    """SHA-256 over the names and bytes of a plugin's Python files."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(origin.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
