import numpy as np
import torch

from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.stream import Stream

CPU = Runtime(torch.device("cpu"), channels_last=False)


def numbered(n: int) -> np.ndarray:
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 1, 4, 4)).copy()


def drawn(stream: Stream, step: int) -> list[int]:
    return ((stream(step)[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def test_every_image_comes_once_an_epoch_in_a_fresh_order():
    stream = Stream(numbered(10), Schedule(1, 4, flip=False), CPU)
    seen = [index for step in range(5) for index in drawn(stream, step)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_batch_depends_on_seed_and_step_alone():
    first, later = (Stream(numbered(10), Schedule(1, 4, flip=False, seed=3), CPU) for _ in range(2))
    earlier = [drawn(first, step) for step in range(6)]
    assert drawn(later, 5) == earlier[5]
    assert drawn(Stream(numbered(10), Schedule(1, 4, flip=False, seed=4), CPU), 5) != earlier[5]


def test_about_half_of_the_images_are_mirrored():
    images = np.zeros((500, 3, 4, 4), np.uint8)
    images[..., 0] = 255
    x = Stream(images, Schedule(1, 500), CPU)(0)
    mirrored = (x[:, 0, 0, 3] > 0).float().mean()
    assert 0.4 < mirrored < 0.6


def test_grey_images_become_three_equal_channels_in_minus_one_to_one():
    x = Stream(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1), Schedule(1, 2, flip=False), CPU)(0)
    assert x.shape == (2, 3, 1, 1)
    assert sorted(x[:, 0].flatten().tolist()) == [-1, 1]
    assert torch.equal(x[:, 0], x[:, 2])
