"""What the data sets of photographs share."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from official import encoded

from lgbench.errors import BadData
from lgbench_datasets.photographs import matlab, two_values


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


@pytest.mark.parametrize("value", [1, 2, 255])
def test_a_mask_that_a_user_brings_has_one_value_in_the_foreground(value: int):
    shown = np.eye(6, dtype=bool)
    assert (two_values(encoded(shown * np.uint8(value), "PNG"), "a mask") == shown).all()
    assert not two_values(encoded(shown * np.uint8(0), "PNG"), "a mask").any()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 1, 2], "values 0, 1, 2;"),  # a trimap
        ([1, 2], "values 1, 2;"),  # whose background is 2
        ([0, 1, 255], "values 0, 1, 255;"),  # noise
        (list(range(9)), r"values 0, 1, 2, 3, 4, 5, \.\.\. \(9 in all\);"),  # opacities
    ],
)
def test_a_mask_with_further_values_is_refused_with_them(values: list[int], told: str):
    with pytest.raises(BadData, match=f"a mask: {told} save it as PNG"):
        two_values(encoded(np.resize(np.array(values, np.uint8), (6, 9)), "PNG"), "a mask")
