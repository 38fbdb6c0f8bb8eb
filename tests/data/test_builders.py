"""What a data set's plugin builds is looked at before anything is prepared, and told with what to mend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import SQUARES, Squares, squares

from lgbench.data import DataHome, Sample, open_dataset
from lgbench.errors import BadData, BadPlugin

IMAGE = np.zeros((16, 16, 3), np.uint8)


def opened(tmp_path: Path, built: Any) -> None:
    open_dataset(replace(SQUARES, build=lambda *told: built), Squares(), 16, DataHome(tmp_path))


def of(*samples: Any) -> Any:
    raw = squares(Squares(images=len(samples)), 16, None)
    return replace(raw, splits={**raw.splits, "train": lambda: samples}, provides=frozenset())


@pytest.mark.parametrize(
    ("built", "told"),
    [
        (None, "is built as a NoneType, not a RawDataset"),
        (replace(of(), splits=[]), "no functions that iterate"),
        (replace(of(), splits={"train": []}), "no functions that iterate"),
        (replace(of(), origin=None), r"which copy it is \(origin=None\)"),
        (of([1, 2]), "yields a list, not a Sample"),
    ],
)
def test_what_is_no_data_set_is_the_plugins_to_mend(tmp_path: Path, built: Any, told: str):
    with pytest.raises(BadPlugin, match=f"{told}.*mend its plugin"):
        opened(tmp_path, built)


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        (Sample([[0]], name="a"), "a: an image that is a list"),  # pyright: ignore[reportArgumentType]
        (Sample(IMAGE, label="cat", name="a"), "a: label 'cat' is no index"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_procedural_picture_that_is_none_has_no_file_to_replace(tmp_path: Path, sample: Sample, told: str):
    with pytest.raises(BadData, match=told) as raised:
        opened(tmp_path, of(sample))
    assert str(raised.value).endswith("mend the data set's plugin.")
