"""What a benchmark says where a run was too short to measure."""

import json
import math

import pytest

from tagger.jobs.benchmark.process_tree import PeakMemory
from tagger.jobs.benchmark.rates import rate_beyond_start
from tagger.jobs.benchmark.report import Result, report
from tagger.jobs.shell.console import Console
from tagger.models.bundle import Bundle
from tagger.schemas.configs.bench import BenchConfig


@pytest.mark.parametrize(
    ("short_s", "long_s"),
    [(6.2, 5.9), (6.2, 6.2), (6.2, 6.3), (0.0, 1e-9), (0.1, 0.2)],
)
def test_a_run_that_takes_no_longer_than_its_start_has_no_rate(short_s: float, long_s: float) -> None:
    assert math.isnan(rate_beyond_start(384, short_s, long_s))


def test_start_up_does_not_count_for_a_rate() -> None:
    assert rate_beyond_start(3000, 5, 8) == 1000


def result(plain: float, end_to_end: float) -> Result:
    rates = {"decode only": 900.0, "forward only": 500.0, "end to end": end_to_end, "plain Ray Data pipeline": plain}
    rounds = [{"forward only": 500.0, "end to end": end_to_end}]
    memory = [PeakMemory(1, 1, {})]
    return Result(512, "torch-cpu-float32", 1, rates, rounds, [0.5], [20.0], [4.0], memory=memory)


def test_what_could_not_be_measured_is_not_printed_as_a_number(
    bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    report(result(math.nan, math.nan), bundle, BenchConfig(), Console())
    said = capfd.readouterr()
    assert said.out.count("not measurable") == 2
    assert "plain Ray Data pipeline: not measurable on so few items" in said.err
    assert "take --items 16384" in said.err
    report(result(math.nan, math.nan), bundle, BenchConfig(), Console(as_json=True))
    found = json.loads(capfd.readouterr().out)
    assert (found["imagesPerSecond"]["plain Ray Data pipeline"], found["endToEndOfForwardOnly"]) == (None, None)


def test_what_could_be_measured_comes_without_a_warning(bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    report(result(200.0, 400.0), bundle, BenchConfig(), Console())
    said = capfd.readouterr()
    assert "not measurable" not in said.out + said.err
    assert "0.80" in said.out
