"""What numbers were computed from, kept in the run's folder as plain arrays, and read again without any network."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lgbench.offers import Metric
from lgbench.score import Moments

from .evidence import Arrays, Evidence

__all__ = ["EVIDENCE", "INDEX", "keep", "restored"]

EVIDENCE = "evidence"
INDEX = "index"
"""The file's own array: what its other arrays, and those of other files, are, as JSON in bytes."""

MOST = 1 << 26
"""Bytes of one part; a larger one is not kept, and what reads it cannot be computed again."""

FOLLOWS = {"predicted_masks": "predictions", "predicted_parts": "predictions"}
"""Parts that are made in no time from one that is kept anyway."""


class _NoArrays(Exception):
    """A part that is a network, or too large."""


def keep(evidence: Evidence, metrics: Mapping[str, Metric], values: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep the parts that a split's numbers read, but for networks and what is too large."""
    read = {need for name, metric in metrics.items() if "value" in values[name] for need in metric.needs}
    writer, parts = _Writer(evidence.files), {}
    for name in sorted({FOLLOWS.get(name, name) for name in read}):
        before = dict(writer.arrays)
        try:
            parts[name] = writer.node(name, evidence[name])
        except _NoArrays:
            writer.arrays = before
    index = json.dumps({"split": evidence.split, "parts": parts}, sort_keys=True).encode()
    arrays = {INDEX: np.frombuffer(index, np.uint8), **writer.arrays}
    told = [
        [key, str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
        for key, array in arrays.items()
    ]
    evidence.kept(EVIDENCE, told, lambda: arrays)


class _Writer:
    """Takes values apart into arrays, and plain words that say how to put them together."""

    def __init__(self, files: Mapping[str, Arrays]) -> None:
        self.arrays: Arrays = {}
        self.known = {id(array): [file, key] for file, held in files.items() for key, array in held.items()}

    def node(self, name: str, value: Any) -> dict[str, Any]:
        """How to restore a value.

        Raises:
            _NoArrays: it is no plain value.
        """
        if isinstance(value, np.ndarray):
            return self._array(name, value)
        if isinstance(value, Moments):
            return {"moments": [self.node(f"{name}.{each}", getattr(value, each)) for each in Moments.__slots__]}
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {"dict": {key: self.node(f"{name}.{key}", each) for key, each in value.items()}}
        if isinstance(value, tuple | list):
            return {"tuple": [self.node(f"{name}.{i}", each) for i, each in enumerate(value)]}
        if value is None or isinstance(value, str | bool | int | float):
            return {"plain": value}
        raise _NoArrays

    def _array(self, name: str, array: np.ndarray) -> dict[str, Any]:
        if id(array) in self.known:
            return {"of": self.known[id(array)]}
        if array.dtype.kind not in "biuf":
            raise _NoArrays
        shape = list(array.shape)
        if array.dtype == bool and not array.any():
            return {"false": shape}
        if array.dtype == bool:
            return {"bits": self._kept(name, np.packbits(array)), "shape": shape}
        if array.ndim == 2 and shape[0] == shape[1] > 1 and np.array_equal(array, array.T):
            return {"symmetric": self._kept(name, array[np.triu_indices(shape[0])]), "side": shape[0]}
        return {"array": self._kept(name, array)}

    def _kept(self, name: str, array: np.ndarray) -> str:
        if array.nbytes > MOST:
            raise _NoArrays
        key = name.replace("/", "-")
        self.arrays[key] = np.array(array)
        return key


def restored(arrays: Arrays, other: Callable[[str], Arrays]) -> tuple[str, dict[str, Any]]:
    """The split of an evidence file, and its parts.

    Args:
        other: the arrays of another file of the run.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the file is none, or damaged.
    """
    index = json.loads(arrays[INDEX].tobytes())
    return index["split"], {name: _value(node, arrays, other) for name, node in index["parts"].items()}


def _value(node: Mapping[str, Any], arrays: Arrays, other: Callable[[str], Arrays]) -> Any:
    def each(nodes: list[Any]) -> list[Any]:
        return [_value(inner, arrays, other) for inner in nodes]

    if "of" in node:
        file, key = node["of"]
        return other(file)[key]
    if "dict" in node:
        return {key: _value(inner, arrays, other) for key, inner in node["dict"].items()}
    if "tuple" in node:
        return tuple(each(node["tuple"]))
    if "moments" in node:
        return Moments(*each(node["moments"]))
    if "false" in node and math.prod(node["false"]) <= MOST * 8:
        return np.broadcast_to(False, node["false"])
    if "bits" in node and math.prod(node["shape"]) <= arrays[node["bits"]].size * 8:
        shape = node["shape"]
        return np.unpackbits(arrays[node["bits"]], count=math.prod(shape)).astype(bool).reshape(shape)
    if "symmetric" in node:
        return _mirrored(arrays[node["symmetric"]], node["side"])
    return arrays[node["array"]] if "array" in node else node["plain"]


def _mirrored(triangle: np.ndarray, side: int) -> np.ndarray:
    if len(triangle) != side * (side + 1) // 2:
        raise ValueError(f"{len(triangle)} numbers are no half of a table of side {side}")
    whole = np.empty((side, side), triangle.dtype)
    rows, columns = np.triu_indices(side)
    whole[rows, columns] = whole[columns, rows] = triangle
    return whole
