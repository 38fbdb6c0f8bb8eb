"""The pools of CycleGAN: old pictures come back, and none is lost."""

import torch

from lgbench_translation.pool import Pool


def numbered(start: int, n: int) -> torch.Tensor:
    return torch.arange(start, start + n).float()[:, None].expand(n, 2).clone()


def test_a_pool_that_is_not_full_shows_what_comes():
    pool = Pool(50, (2,), chance=0.5)
    for start in range(0, 48, 6):
        assert torch.equal(pool.exchange(numbered(start, 6)), numbered(start, 6))
    assert pool.count == 48
    assert pool.kept[:48, 0].tolist() == list(range(48))


def test_a_full_pool_shows_old_pictures_for_half_of_those_that_come():
    torch.manual_seed(0)
    pool, shown = Pool(50, (2,), chance=0.5), []
    pool.exchange(numbered(0, 50))
    for start in range(50, 1050, 10):
        came = pool.exchange(numbered(start, 10))
        new = came[:, 0] >= start
        assert torch.equal(came[new], numbered(start, 10)[new])  # in its place
        shown.append(came[:, 0])
    shown = torch.cat(shown)
    assert 0.4 < (shown == torch.arange(50, 1050)).float().mean() < 0.6
    # nothing is lost or doubled: all that ever came was shown once, or is kept
    assert sorted([*shown.tolist(), *pool.kept[:, 0].tolist()]) == list(range(1050))


def test_a_pool_of_nothing_and_one_smaller_than_what_comes_lose_nothing():
    assert torch.equal(Pool(0, (2,), chance=0.5).exchange(numbered(0, 6)), numbered(0, 6))
    pool = Pool(3, (2,), chance=1.0)
    first = pool.exchange(numbered(0, 8))
    assert sorted([*first[:, 0].tolist()[3:], *pool.kept[:, 0].tolist()]) == list(range(8))
    assert first[:3, 0].tolist() == [0, 1, 2]


def test_a_pool_keeps_no_graph():
    pool, fresh = Pool(2, (2,), chance=1.0), numbered(0, 4).requires_grad_()
    assert not pool.exchange(fresh).requires_grad
    assert not pool.kept.requires_grad
