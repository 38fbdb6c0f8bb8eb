"""Files of small faces with 68 landmarks, which are painted: no photograph of anybody."""

from collections.abc import Mapping, Sequence

import numpy as np
from official import encoded

from lgbench_datasets.faces import Faces, paint

__all__ = ["landmark_table", "pictures", "points"]

SIDE = 64


def points(count: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """Landmarks (count, 68, 2) of painted faces in pixels of pictures whose middle square shows them."""
    square = min(height, width)
    corner = np.array([(width - square) // 2, (height - square) // 2])
    return (paint(Faces(), SIDE, "test", 0, count).landmarks + 0.5) * square / SIDE - 0.5 + corner


def pictures(names: Sequence[str], height: int = SIDE, width: int = SIDE) -> dict[str, bytes]:
    """JPEGs of one grey each, darker the earlier."""
    flat = [np.full((height, width, 3), 10 + 5 * i, np.uint8) for i in range(len(names))]
    return {name: encoded(pixels) for name, pixels in zip(names, flat, strict=True)}


def landmark_table(files: Sequence[str], landmarks: np.ndarray, columns: Mapping[str, Sequence[object]]) -> bytes:
    """landmarks.csv: a row for each file, with further columns; NaN is an empty cell."""
    heading = ["file", *columns, *(f"{axis}{i}" for i in range(1, 69) for axis in "xy")]
    rows = [",".join(heading)]
    for i, file in enumerate(files):
        numbers = ["" if np.isnan(number) else f"{number:.4f}" for number in landmarks[i].reshape(-1)]
        rows.append(",".join([file, *(str(cells[i]) for cells in columns.values()), *numbers]))
    return "\n".join(rows).encode()
