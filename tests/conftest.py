"""What all tests share: a home of their own, one thread, and the data folder if it is there."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees, or leaves anything in, the user's data home."""
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def seeded() -> None:
    """What torch draws is the same in every test that uses this."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _drawn() -> Iterator[Callable[..., None]]:
    """Trainings draw no curves of their losses, unless a test asks for `curves`: a plot costs more than a tiny fit."""
    from lgbench.training import pictures

    drawn = pictures.save_curves
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "save_curves", lambda *_: None)
        yield drawn


@pytest.fixture
def curves(_drawn: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw curves, as they do for users."""
    monkeypatch.setattr("lgbench.training.pictures.save_curves", _drawn)


@pytest.fixture
def shared() -> Path:
    """The folder of real data that some checkouts have beside them."""
    folder = Path(os.environ.get("LGBENCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("the folder of real data is not here (set LGBENCH_SHARED)")
    return folder


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal as a program finds it at its start, also where who started the tests has it ignored (`nohup`, `&`)."""
    usual = signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(request.param, usual)
    yield request.param
    signal.signal(request.param, before)
