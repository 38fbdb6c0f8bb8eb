"""The timing programs run as their own words say."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent / "benchmarks/speed/step.py"
EXAMPLES = re.findall(r"uv run python benchmarks/speed/step\.py (.*)", PROGRAM.read_text())


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_timing_program_tells_a_ratio(example: str):
    arguments = [*shlex.split(example), "--steps", "1", "--device", "cpu", "--resolution", "32"]
    told = subprocess.run([sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert re.search(r"^ratio \d+\.\d\d \(single pairs", told.stdout, flags=re.M)


def test_the_registered_mask_scores_are_scikit_learns():
    program = PROGRAM.with_name("masks.py")
    arguments = [sys.executable, str(program), "--masks", "40", "--side", "32", "--rounds", "2", "--share", "20"]
    told = subprocess.run(arguments, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert float(re.findall(r"difference (\S+)", told.stdout)[0]) < 1e-9
