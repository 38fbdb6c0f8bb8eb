"""What a number was made with: packages, versions, device, and the code down to its uncommitted changes."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .plugins import PluginInfo
from .record import Record
from .runtime import Runtime
from .version import __version__

__all__ = ["changes", "code_of", "code_state", "describe", "device_name", "module_hash", "what_ran"]

PACKAGES = ("numpy", "pandas", "pillow", "pluggy", "safetensors", "scikit-learn", "scipy")
PACKAGES += ("torch", "torch-fidelity", "torchvision")


def describe(runtime: Runtime, plugins: Sequence[PluginInfo]) -> dict[str, Any]:
    """The parts of a record that tell the environment: `lgbench`, `plugins`, `packages`, `environment`.

    Args:
        plugins: those that the run uses (`Registry.used`).
    """
    return {
        **code_of([plugin for plugin in plugins if not plugin.reason]),
        "packages": {name: _version(name) for name in PACKAGES},
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
            **({"deterministic": True} if runtime.deterministic else {}),
            "threads": torch.get_num_threads(),
        },
    }


def code_of(plugins: Sequence[PluginInfo]) -> dict[str, Any]:
    """The parts of a record that tell the code: `lgbench` and `plugins`."""
    return {
        "lgbench": code_state([plugin.module for plugin in plugins]),
        "plugins": [{"name": p.name, "version": p.version, "sha256": module_hash(*p.sources)} for p in plugins],
    }


def changes(record: Record, described: Mapping[str, Any]) -> str:
    """What of the code differs between a record and what `describe` tells now, in words; "" where nothing does."""
    before, now = record.lgbench.model_dump(), described["lgbench"]
    keys = [key for key in ("version", "sha256") if before[key] != now[key]]
    told = [f"lgbench's {key} was {before[key]}, now {now[key]}" for key in keys]
    hashes = {plugin["name"]: plugin["sha256"] for plugin in described["plugins"]}
    told += [f"the plugin {plugin.name}" for plugin in record.plugins if plugin.sha256 != hashes.get(plugin.name)]
    return "; ".join(told)


def what_ran(described: Mapping[str, Any]) -> dict[str, Any]:
    """Of what `describe` returned, what the numbers depend on: two that differ are a mixed environment.

    A commit is the whole repository's, a change elsewhere in it makes it another; the sources' hashes are what ran.
    """
    told = ("commit", "dirty", "dirty_hash")
    framework = {name: value for name, value in described["lgbench"].items() if name not in told}
    return {**described, "lgbench": framework}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def device_name(device: torch.device) -> str:
    """A GPU's product name, or "CPU" with the processor's where the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return f"CPU ({line.partition(':')[2].strip()})"
    return f"CPU ({platform.processor() or platform.machine()})"


def code_state(modules: Sequence[str] = ()) -> dict[str, Any]:
    """Version, hash of lgbench's sources, and the commit of its git checkout, "unknown" where git cannot tell.

    Args:
        modules: of plugins, whose files count too where they lie in the checkout.
    """
    folder, sources = Path(__file__).parent.parent, module_hash("lgbench")
    commit = _commit(folder) if (folder / ".git").exists() else None
    within = [str(path.relative_to(folder)) for path in _roots(["lgbench", *modules]) if path.is_relative_to(folder)]
    changes = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", *within) if commit else None
    known = commit is not None and changes is not None
    return {
        "version": __version__,
        "commit": commit if known else "unknown",
        "dirty": changes != "" if known else None,
        "dirty_hash": sources if known and changes else None,
        "sha256": sources,
    }


def _commit(folder: Path) -> str | None:
    """The commit that lgbench's sources are of; None where the repository is one that only lies around them."""
    head = _git(folder, "rev-parse", "HEAD", "HEAD:lgbench")  # the folder of sources, from the repository's root
    return head.partition("\n")[0] if head else None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says of the repository in `folder`, whichever repository the environment means; None if nothing."""
    # variables of hooks and of bare repositories point elsewhere; GIT_TEST_... only make git play that it is elsewhere
    astray = re.compile(r"GIT_(?!TEST_)")
    here = {name: value for name, value in os.environ.items() if not astray.match(name)}
    here["GIT_CEILING_DIRECTORIES"] = str(folder.parent)  # what is no repository is passed over, to one above it
    return _answer(["git", "-C", str(folder), "--no-optional-locks", *arguments], here)


def _driver() -> str | None:
    versions = _answer(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    return versions.partition("\n")[0].strip() or None if versions else None


def _answer(command: Sequence[str], variables: Mapping[str, str] | None = None) -> str | None:
    """What another program says; None where it is not here, fails or takes too long."""
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, encoding="utf-8", errors="replace", timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _roots(modules: Iterable[str]) -> Iterator[Path]:
    """Folder or file of each module's top-level package, once."""
    for top in dict.fromkeys(re.split("[.:]", module)[0] for module in modules):
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(top)
            if spec and spec.submodule_search_locations is not None:  # a package; of a namespace, all its parts
                yield from map(Path, spec.submodule_search_locations)
            elif spec and spec.origin is not None:
                yield Path(spec.origin)


def module_hash(module: str, *others: str) -> str:
    """SHA-256 over the names and bytes of all files of modules' top-level packages, "" where there are none.

    Of others, what has its own place in a record, lgbench and `PACKAGES`, is passed over.
    """
    told = {"lgbench", *PACKAGES}
    digest, found = hashlib.sha256(), False
    for root in _roots([module, *(other for other in others if re.split("[.:]", other)[0] not in told)]):
        files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
        for file in files:
            if "__pycache__" in file.parts or file.name.startswith("."):
                continue
            try:
                content = file.read_bytes()
            except OSError:  # gone meanwhile, or nobody's business
                continue
            name = file.relative_to(root if root.is_dir() else root.parent).as_posix()
            digest.update(name.encode(errors="surrogateescape") + b"\0" + content + b"\0")
            found = True
    return digest.hexdigest() if found else ""
