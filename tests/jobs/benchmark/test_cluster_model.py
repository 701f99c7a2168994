"""The simulated schedule of a run: figures that arithmetic knows, and what must never get worse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.jobs.benchmark.cluster_model import Cluster, Phase, Shared, part_sizes, simulate
from tagger.jobs.benchmark.cluster_report import what_bounds
from tagger.schemas.documents.cluster_costs import ClusterCosts, ImageCosts

FREE = {
    "others_cpu": 0, "start": 0, "worker_start": 0, "stage_row": 0, "stage_part": 0, "part": 0, "hand_out": 0,
    "hand_out_worker": 0, "ask_image": 0, "ask_call": 0, "finish_part": 0, "image_bytes": 0, "stage_range_row": 0,
    "stage_task": 0, "stage_start": 0,
}  # fmt: skip


def costs(
    forward: float = 0.001, decode: float = 0.0, rest: float = 0.0, fetch: float | None = None, **others: float
) -> ClusterCosts:
    """Costs that are 0, but for the forward pass and those that are given."""
    image = ImageCosts(forward=forward, decode=decode, rest=rest, fetch=fetch)
    return ClusterCosts.model_validate({**FREE, "measured_on": "paper", "image": image, **others})


def test_one_worker_takes_the_sum_of_all_steps() -> None:
    rows = 10_000
    found = simulate(
        costs(
            0.001, 0.0002, 0.0003, start=8, worker_start=3, stage_row=1e-4, stage_part=0.01, part=0.05, hand_out=0.02,
            hand_out_worker=0.01, finish_part=0.002,
        ),
        Cluster(1, 1, 1), rows, 1000,
    )  # fmt: skip
    parts = found.parts
    assert parts == len(part_sizes(rows, 1000, 1))
    assert found.phases == pytest.approx(
        {
            Phase.START: 11,
            Phase.STAGING: rows * 1e-4 + parts * 0.01,
            Phase.TAGGING: rows * 0.0015 + parts * (0.05 + 0.03),
            Phase.FINISH: parts * 0.002,
        }
    )
    tagging = found.phases[Phase.TAGGING]
    assert found.at_work == pytest.approx((rows * 0.0015 + parts * 0.05) / tagging)
    assert found.command * found.seconds == pytest.approx(1 + parts * (0.01 + 0.03 + 0.002))


def test_a_large_manifest_is_staged_by_all_cores_and_a_small_one_by_the_command() -> None:
    priced = costs(stage_row=1e-5, stage_range_row=2e-5, stage_task=0.001, stage_start=3)
    small, large = (simulate(priced, Cluster(4, 16, 63), rows, 8192).phases[Phase.STAGING] for rows in (10**6, 10**8))
    assert small == pytest.approx(10)
    ranges = 382  # of 262,144 rows
    assert large == pytest.approx(3 + (2 * ranges + 48) * 0.001 + -(-ranges // 64) * 1e8 / ranges * 2e-5)
    in_bucket = Cluster(4, 16, 63, from_s3=True, request_s=0.05)
    assert simulate(costs(fetch=0), in_bucket, 10**8, 8192).phases[Phase.STAGING] < 60


def test_parts_are_large_first_and_small_at_the_end_and_hold_all_rows() -> None:
    sizes = part_sizes(1_000_000, 8192, 16)
    assert sum(sizes) == 1_000_000
    assert set(sizes[:10]) == {8192}
    assert max(sizes[-32:]) < 400


def test_work_that_divides_evenly_takes_the_nth_part_of_the_time() -> None:
    rows = 8 * 256  # eight parts of 256
    alone, four = (simulate(costs(), Cluster(1, n, n), rows, 256) for n in (1, 4))
    assert (alone.phases[Phase.TAGGING], four.phases[Phase.TAGGING]) == pytest.approx((rows / 1000, rows / 4000))
    assert four.at_work == pytest.approx(1)


def test_more_workers_than_cores_share_the_cores() -> None:
    found = simulate(costs(), Cluster(1, 2, 4), 8 * 256, 256)
    assert found.phases[Phase.TAGGING] == pytest.approx(8 * 256 / 2000)
    assert found.used[Shared.CPU] == pytest.approx(1)


def test_one_gpu_bounds_workers_that_decode_faster_than_it_predicts() -> None:
    found = simulate(costs(9, decode=1e-5, gpu_images_per_second=500), Cluster(1, 8, 8, gpus=1), 32 * 256, 256)
    assert found.phases[Phase.TAGGING] == pytest.approx(32 * 256 / 500, rel=0.01)
    key, sentence = what_bounds(found)
    assert key == "GPUs"
    assert sentence == "The GPUs bound the run. Tagging takes 100% of its time, with the GPUs 100% in use."


def test_gpus_of_two_nodes_share_the_work() -> None:
    found = simulate(costs(9, decode=1e-5, gpu_images_per_second=500), Cluster(2, 8, 16, gpus=2), 64 * 256, 256)
    assert found.phases[Phase.TAGGING] == pytest.approx(64 * 256 / 2000, rel=0.05)


def test_the_coordinator_bounds_many_quick_workers_that_ask_about_every_image() -> None:
    found = simulate(costs(1e-5, ask_image=1e-3), Cluster(4, 16, 64), 128 * 256, 256)
    assert found.phases[Phase.TAGGING] == pytest.approx(128 * 0.256)
    assert what_bounds(found)[0] == "coordinator"


def test_workers_of_a_cluster_that_may_grow_beyond_128_ask_the_coordinator_about_a_sample() -> None:
    found = simulate(costs(1e-3, ask_image=1e-3), Cluster(1, 16, 16), 1_000_000, 8192)
    assert found.used[Shared.COORDINATOR] * found.phases[Phase.TAGGING] == pytest.approx(1_000_000 / 64 * 1e-3)


def test_the_requests_of_a_bucket_bound_a_cluster_and_latency_one_worker() -> None:
    from_s3 = costs(1e-4, fetch=1e-4)
    many = simulate(from_s3, Cluster(1, 16, 16, from_s3=True, bucket_requests_s=1000), 100_000, 1000)
    assert many.phases[Phase.TAGGING] == pytest.approx(100, rel=0.02)
    assert what_bounds(many)[0] == "bucket"
    slow = simulate(from_s3, Cluster(1, 1, 1, from_s3=True, request_s=0.16), 10_000, 1000)
    assert slow.phases[Phase.TAGGING] == pytest.approx(10_000 * 0.16 / 16 + slow.parts * 3 * 0.16)


def test_the_network_of_a_node_bounds_it() -> None:
    found = simulate(costs(1e-5, image_bytes=10_000), Cluster(1, 8, 8, network_bytes_s=1e7), 64 * 256, 256)
    assert found.phases[Phase.TAGGING] == pytest.approx(64 * 256 / 1000)
    assert what_bounds(found)[0] == "network"


@pytest.mark.parametrize(
    ("given_costs", "bound"),
    [
        ({"stage_row": 1.0}, "staging"),
        ({"start": 1e6}, "start"),
        ({"finish_part": 1e5}, "finish"),
        ({"hand_out": 10.0}, "command"),
        ({}, "workers' CPUs"),
    ],
)
def test_what_takes_longest_is_said_to_bound_the_run(given_costs: dict[str, float], bound: str) -> None:
    assert what_bounds(simulate(costs(**given_costs), Cluster(1, 4, 4), 100_000, 1000))[0] == bound


def test_a_run_with_fewer_parts_than_workers_is_bound_by_its_parts() -> None:
    found = simulate(costs(), Cluster(64, 16, 1023), 2000, 8192)
    assert found.phases[Phase.TAGGING] == pytest.approx(max(part_sizes(2000, 8192, 1023)) / 1000)
    assert what_bounds(found)[0] == "parts"


@given(
    st.integers(1, 200_000), st.sampled_from([64, 1000, 8192]), st.integers(1, 32), st.integers(1, 32),
    st.floats(1e-5, 1e-2), st.floats(0, 0.1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_run_keeps_within_the_bounds_of_any_list_schedule(
    rows: int, part_rows: int, nodes: int, cores: int, forward: float, part: float
) -> None:
    """Graham 1966: at least the work of each worker, and at most that and one part more."""
    workers = nodes * cores
    found = simulate(costs(forward, part=part), Cluster(nodes, cores, workers), rows, part_rows)
    sizes = part_sizes(rows, part_rows, workers)
    work, longest = rows * forward + len(sizes) * part, max(sizes) * forward + part
    tagging = found.phases[Phase.TAGGING]
    assert max(work / workers, longest) <= tagging * (1 + 1e-9)
    assert tagging <= work / workers + longest * (1 + 1e-9)
    assert 0 < found.at_work <= 1 + 1e-9


@given(st.integers(1, 100_000), st.integers(1, 64), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_more_workers_are_never_slower_where_nothing_else_bounds(rows: int, fewer: int, more: int) -> None:
    fewer, more = sorted((fewer, more))
    slow, quick = (simulate(costs(), Cluster(1, n, n), rows, 256).phases[Phase.TAGGING] for n in (fewer, more))
    assert quick <= slow * (1 + 1e-9)


@given(st.sampled_from(["forward", "part", "hand_out", "ask_image", "finish_part", "stage_row"]), st.floats(1, 10))
@settings(max_examples=40, deadline=None)
def test_a_run_is_no_quicker_where_a_step_costs_more(name: str, times: float) -> None:
    """But for a part: the last ones may fall to other workers (the anomalies of Graham 1969)."""
    usual = {"forward": 1e-4, "part": 0.01, "hand_out": 1e-3, "ask_image": 1e-5, "finish_part": 1e-3, "stage_row": 1e-5}
    cluster, a_part = Cluster(2, 8, 16), 1000 * 1e-4 + 0.01
    before, after = (
        simulate(costs(**{**usual, name: usual[name] * more}), cluster, 50_000, 1000).seconds for more in (1.0, times)
    )
    assert after >= before - a_part
