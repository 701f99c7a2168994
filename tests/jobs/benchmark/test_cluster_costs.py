"""What an image and a part cost, of runs whose parts took known times."""

import pytest

from tagger.errors import TaggerError
from tagger.jobs.benchmark.cluster_costs import Round, costs_are_told, image_and_part
from tagger.jobs.benchmark.process_tree import PeakMemory
from tagger.jobs.benchmark.tag_job import Tagged
from tagger.runs.parts import PartCounts, Spent


def run_of(sizes: list[int], image_s: float, part_s: float) -> Tagged:
    """A run whose parts took what they cost, two thirds of it for an image in the engine."""
    parts = [PartCounts({"accept": n}, {}, {}, 0, Spent(n * image_s + part_s, n * image_s * 2 / 3)) for n in sizes]
    return Tagged(20, 10, "torch-cpu-float32", 0.5, PeakMemory(), parts)


def test_parts_of_two_sizes_tell_what_an_image_and_a_part_cost() -> None:
    usual, from_s3 = [512, 512, 256], [1280]
    measured = Round(run_of([32] * 9, 0.003, 0.05), run_of(usual, 0.003, 0.05), run_of(from_s3, 0.004, 0.11))
    image, part = image_and_part([measured] * 3, 0.0004)
    assert part == pytest.approx(0.05)
    assert (image.forward, image.decode, image.rest) == pytest.approx((0.002, 0.0004, 0.0006))
    assert image.fetch == pytest.approx((0.004 + 0.11 / 1280) - (0.003 + 3 * 0.05 / 1280))


def test_runs_that_differ_by_more_than_their_parts_are_refused() -> None:
    busy = Round(run_of([32] * 9, 0.001, 0.0), run_of([512], 0.003, 0.05), None)
    with pytest.raises(TaggerError, match="the machine is too busy"):
        image_and_part([busy], 0.0004)


def test_one_quiet_round_tells_the_costs_among_many_busy_ones() -> None:
    busy = Round(run_of([32] * 9, 0.004, 0.06), run_of([512], 0.009, 0.09), run_of([512], 0.005, 0.05))
    quiet = Round(run_of([32] * 9, 0.003, 0.05), run_of([512], 0.003, 0.05), run_of([512], 0.004, 0.05))
    assert not costs_are_told([busy] * 6)
    image, part = image_and_part([busy] * 6 + [quiet], 0.0004)
    assert part == pytest.approx(0.05)
    assert (image.forward, image.rest, image.fetch) == pytest.approx((0.002, 0.0006, 0.001))
