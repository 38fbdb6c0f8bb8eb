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
