"""How many workers a run gets."""

import os

import pytest

from tagger.inference.worker_pool import Workers, fit_workers

pytestmark = pytest.mark.usefixtures("embedded_ray")
CORES = len(os.sched_getaffinity(0))


def test_a_machine_gets_a_worker_a_core_and_never_more_than_there_are_shards() -> None:
    assert fit_workers(False, (0, 0), 1000, may_grow=False) == Workers(CORES, CORES)
    assert fit_workers(False, (0, 0), 1, may_grow=False) == Workers(1, 1)


def test_a_cluster_begins_with_what_fits_and_may_grow() -> None:
    assert fit_workers(False, (0, 0), 1000, may_grow=True) == Workers(CORES, 4 * CORES)
    assert fit_workers(False, (0, 0), CORES, may_grow=True) == Workers(CORES, CORES)


def test_a_range_that_was_asked_for_is_kept() -> None:
    assert fit_workers(False, (3, 3), 1000, may_grow=False) == Workers(3, 3)
    assert fit_workers(False, (1, 64), 1000, may_grow=True) == Workers(CORES, 64)
    assert fit_workers(False, (8, 64), 5, may_grow=True) == Workers(5, 5)
    assert str(fit_workers(False, (8, 64), 50, may_grow=True)) == "workers: 8 to 50"
