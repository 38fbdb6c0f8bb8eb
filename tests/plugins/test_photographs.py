"""What the data sets of photographs share."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from lgbench.errors import BadData
from lgbench_datasets.photographs import matlab


def written(path: Path) -> Path:
    scipy.io.savemat(path, {"labels": np.arange(40)})
    return path


def test_variables_of_a_matlab_file_are_read(tmp_path: Path):
    (labels,) = matlab(written(tmp_path / "a.mat"), "labels")
    assert labels.tolist() == list(range(40))


@pytest.mark.parametrize("size", [0, 4, 60, 128, 130, 150, 200, 300])
def test_a_truncated_matlab_file_is_one_clear_error(tmp_path: Path, size: int):
    path = written(tmp_path / "a.mat")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BadData, match=r"a\.mat is truncated or has no labels \(.+\); put the official file there"):
        matlab(path, "labels")


@pytest.mark.parametrize("error", [IndexError("list index out of range"), EOFError(), MemoryError(), RuntimeError("x")])
def test_whatever_a_damaged_matlab_file_raises_is_one_clear_error(tmp_path: Path, monkeypatch, error: Exception):
    """scipy's reader raises what its parts raise, and another release something else."""

    def loadmat(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(scipy.io, "loadmat", loadmat)
    with pytest.raises(BadData, match=r"a\.mat is truncated"):
        matlab(tmp_path / "a.mat", "labels")
