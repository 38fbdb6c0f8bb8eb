"""A lab's first board: the example in `docs/`, and what a slip in one's own is answered."""

from pathlib import Path

import pytest

from lgbench.benchmark import BadBenchmark, read_benchmark
from lgbench.leaderboard import build, check
from lgbench.lookup import look_up

EXAMPLE = Path(__file__).parent.parent / "docs" / "board-example.toml"


def test_the_example_is_a_board_whose_runs_there_are(tmp_path: Path):
    runs = read_benchmark(EXAMPLE).requests()
    assert [(run.method, run.seed) for run in runs] == [
        *(("lrgan", seed) for seed in (0, 1, 2)),
        *((floor, 0) for floor in ("empty", "two-means")),
    ]
    for run in runs:
        assert look_up(run, None).resolution == 16
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "mine.toml").write_text(EXAMPLE.read_text())
    build(tmp_path)
    assert check(tmp_path) == []


def test_an_ablation_of_ones_own_speaks_of_no_paper(tmp_path: Path):
    """As the example's comment has it, in place of `methods`."""
    text = EXAMPLE.read_text().replace('methods = ["lrgan"]\n', "")
    rows = text.partition("# Instead of")[2].partition("\n#\n")[2].partition("\n#\n# and [[claim]]")[0]
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "mine.toml").write_text(text + "\n" + "\n".join(x[1:] for x in rows.splitlines()))
    build(tmp_path)
    page = (tmp_path / "leaderboards" / "mine" / "README.md").read_text()
    assert "Rows stand in the file's order; nobody is ranked. Numbers are means" in page
    assert "paper" not in page
    assert "claim" not in page


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('metrics = ["iou"]', r'metrics\.0.*write \{ name = "iou", better = "up" \}\. Correct'),
        ("seed = [0]", r"seed: there is no such key\. Did you mean 'seeds'\? Correct"),
        ('settings = ["data.images=200"]', "settings: there is no such key. It may have: .*dataset_config.*variant"),
        ("seeds = [-1]", r"seeds\.0=-1 does not fit: .*\. Correct"),
        ('[[variant]]\nname = "a"\nmethod = "lrgan"\nseed = 1', r"variant\.0\.seed: there is no such key"),
    ],
)
def test_a_slip_in_a_board_is_answered_in_its_own_words(tmp_path: Path, line: str, told: str):
    (tmp_path / "mine.toml").write_text(f'dataset = "flora"\n{line}\n')
    with pytest.raises(BadBenchmark, match=told):
        read_benchmark(tmp_path / "mine.toml")
