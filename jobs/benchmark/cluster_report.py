"""Reports simulated runs on a cluster: seconds by phase, what bounds each run, and what it costs."""

import math
import sys
from collections.abc import Sequence

from tagger.errors import UsageError
from tagger.jobs.benchmark.cluster_costs import BUSY
from tagger.jobs.benchmark.cluster_model import Cluster, Phase, Shared, Simulated
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.schemas.configs.bench import BenchConfig
from tagger.schemas.configs.cluster import parse_cluster
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.cluster_costs import ClusterCosts

_MUCH = 0.6
"""Share of what something can give, from which it bounds a run that does little else."""
_BITS = 8
_IN_WORDS = {
    Phase.START: "The start of Ray and of the workers bounds the run",
    Phase.STAGING: "Staging bounds the run: one process reads the manifest before tagging begins",
    Phase.FINISH: "Finishing bounds the run: one process counts the parts",
    Shared.CPU: "The workers' CPUs bound the run",
    Shared.GPU: "The GPUs bound the run",
    Shared.NETWORK: "The network of the nodes bounds the run",
    Shared.BUCKET: "The requests that the bucket answers bound the run",
    Shared.COORDINATOR: "The coordinator bounds the run: one process answers all workers",
    Shared.COMMAND: "The command bounds the run: one process hands out all parts",
}


def cluster_of(config: BenchConfig, cluster: str, costs: ClusterCosts) -> Cluster:
    """The cluster that a config describes. Raises UsageError where a cost is missing that it needs."""
    from tagger.tagging.worker_pool import fit_into  # imports Ray

    nodes, cores = parse_cluster(cluster)
    if config.gpus and costs.gpu_images_per_second is None:
        raise UsageError(
            "--gpus: nobody has measured the forward pass on a GPU; give --gpu-rate IMAGES_PER_S, which tagger bench "
            "--device cuda --workers 1 says on a machine with one (forward only)"
        )
    if config.s3 and costs.image.fetch is None:
        raise UsageError("--s3: these costs are of local files; measure them with --s3, and play them then")
    return Cluster(
        nodes=nodes,
        cores=cores,
        workers=fit_into({"CPU": nodes * cores, "memory": sys.maxsize}, "CPU", sys.maxsize),
        gpus=config.gpus,
        network_bytes_s=config.network_gbit * 1e9 / _BITS if config.network_gbit else math.inf,
        from_s3=config.s3,
        bucket_requests_s=config.bucket_requests or math.inf,
        request_s=config.request_ms / 1000,
        in_flight=TagConfig.model_fields["store_concurrency"].default,
    )


def what_bounds(run: Simulated) -> tuple[str, str]:
    """What bounds a run, as a key and in a sentence.

    It is the longest phase. If that is tagging, it is what is used most meanwhile, or, if nothing is used much, the
    parts, of which there are too few for all workers.
    """
    longest = max(run.phases, key=lambda phase: run.phases[phase])
    share = percent(run.phases[longest] / run.seconds, 0)
    if longest is not Phase.TAGGING:
        return str(longest), f"{_IN_WORDS[longest]}, {share} of its time."
    most = max(run.used, key=lambda shared: run.used[shared])
    if run.used[most] < _MUCH:
        return "parts", (
            f"The parts bound the run: workers wait for the last of them. Tagging takes {share} of its time, with "
            f"nothing more in use than the {most}, {percent(run.used[most], 0)}."
        )
    used = percent(run.used[most], 0)
    return str(most), f"{_IN_WORDS[most]}. Tagging takes {share} of its time, with the {most} {used} in use."


def report_cluster(
    config: BenchConfig, costs: ClusterCosts, cluster: Cluster, runs: Sequence[Simulated], console: Console
) -> None:
    """Print the costs, and the runs that were simulated with them."""
    measured = "of --costs" if config.costs else "measured here"
    console.table(f"Costs {measured}: {costs.measured_on}", ["what", "cost"], _costs(costs, cluster))
    prices = [_per_million(config, cluster, run) for run in runs]
    console.table(
        f"Simulated runs: {_described(cluster)}",
        ["rows", "parts", *(f"{phase} s" for phase in Phase), "all s", "images/s", "workers at work", "command at work"]
        + ["price of a million images"] * (config.price_per_node_hour is not None),
        [
            (
                run.rows, run.parts, *(f"{run.phases[phase]:,.1f}" for phase in Phase), f"{run.seconds:,.1f}",
                round(run.images_per_second), percent(run.at_work), percent(run.command),
                *([f"{price:.2f}"] if price is not None else []),
            )
            for run, price in zip(runs, prices, strict=True)
        ],
    )  # fmt: skip
    for run in runs:
        console.say(f"{run.rows:,} rows, {run.seconds:,.0f} s: {what_bounds(run)[1]}")
    console.say(f"This is a model, not a measurement of a cluster. {' '.join(_assumed(costs, cluster))}")
    documents = [_document(run, price) for run, price in zip(runs, prices, strict=True)]
    console.result(
        {
            "isSimulated": True,
            "costs": costs.model_dump(mode="json", by_alias=True),
            "cluster": {name: _finite(value) for name, value in _cluster_document(cluster).items()},
            "assumed": _assumed(costs, cluster),
            "runs": documents,
        }
    )


def _costs(costs: ClusterCosts, cluster: Cluster) -> list[tuple[str, str]]:
    image = costs.image
    rows = [
        ("other work on that machine", f"{percent(costs.others_cpu, 0)} of its CPUs"),
        ("start and end of the command, and of Ray", f"{costs.start:.1f} s"),
        ("start of the workers", f"{costs.worker_start:.1f} s"),
        ("staging", f"{_us(costs.stage_row)} a row, {_us(costs.stage_part)} a part"),
        (
            "staging in ranges",
            f"{_us(costs.stage_range_row)} a row, {_us(costs.stage_task)} a task, {costs.stage_start:.1f} s to start",
        ),
        ("forward pass on a CPU", f"{_us(image.forward)} an image"),
        ("decoding", f"{_us(image.decode)} an image"),
        ("reading, deciding, writing", f"{_us(image.rest)} an image, {_us(costs.part)} a part"),
        ("an image from S3, in addition", "not measured" if image.fetch is None else f"{_us(image.fetch)} an image"),
        ("handing out", f"{_us(costs.hand_out + cluster.workers * costs.hand_out_worker)} a part"),
        ("the coordinator", f"{_us(costs.ask_image)} an image it is asked about, {_us(costs.ask_call)} a call"),
        ("finishing", f"{_us(costs.finish_part)} a part"),
        ("an image file", f"{costs.image_bytes:,.0f} bytes"),
    ]
    if costs.gpu_images_per_second is not None:
        rows.append(("forward pass on a GPU, as given", f"{costs.gpu_images_per_second:,.0f} images/s"))
    return rows


def _us(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f} µs"


def _described(cluster: Cluster) -> str:
    gpus = f" and {cluster.gpus} GPU{'s' * (cluster.gpus > 1)}" if cluster.gpus else ""
    return f"{cluster.nodes:,} nodes of {cluster.cores} cores{gpus}, {cluster.workers:,} workers"


def _assumed(costs: ClusterCosts, cluster: Cluster) -> list[str]:
    """What was not measured, in sentences."""
    sentences = [
        "It assumes that a core of the cluster is as fast as one here while all are busy, and that Ray and the workers "
        "start there as they do here.",
        "The engine was chosen before, no image is a copy of another, and no worker is lost.",
        "Each core has memory for a worker.",
    ]
    if costs.others_cpu > BUSY:
        busy = percent(costs.others_cpu, 0)
        sentences.append(f"The costs are too high: other processes used {busy} of the CPUs where they were measured.")
    if cluster.gpus:
        sentences.append("The rate of a GPU was given, and sending images to it is taken to cost nothing.")
    if not cluster.from_s3:
        sentences.append("Files are read and written as quickly as those here.")
    elif math.isinf(cluster.bucket_requests_s) or not cluster.request_s:
        sentences.append("Where --bucket-requests or --request-ms is not given, the bucket answers any number at once.")
    if math.isinf(cluster.network_bytes_s):
        sentences.append("Without --network-gbit, the network has no limit.")
    return sentences


def _per_million(config: BenchConfig, cluster: Cluster, run: Simulated) -> float | None:
    if config.price_per_node_hour is None:
        return None
    return config.price_per_node_hour * cluster.nodes * run.seconds / 3600 * 1e6 / run.rows


def _cluster_document(cluster: Cluster) -> dict[str, float]:
    return {
        "nodes": cluster.nodes,
        "cores": cluster.cores,
        "gpus": cluster.gpus,
        "workers": cluster.workers,
        "networkBytesPerSecond": cluster.network_bytes_s,
        "fromS3": cluster.from_s3,
        "bucketRequestsPerSecond": cluster.bucket_requests_s,
        "requestSeconds": cluster.request_s,
        "inFlight": cluster.in_flight,
    }


def _finite(value: float) -> float | None:
    """The value; None for no limit."""
    return None if math.isinf(value) else value


def _document(run: Simulated, price: float | None) -> dict[str, object]:
    key, sentence = what_bounds(run)
    return {
        "rows": run.rows,
        "parts": run.parts,
        "seconds": run.seconds,
        "phases": {str(phase): seconds for phase, seconds in run.phases.items()},
        "imagesPerSecond": run.images_per_second,
        "workersAtWork": run.at_work,
        "commandAtWork": run.command,
        "used": {str(shared): share for shared, share in run.used.items()},
        "boundBy": key,
        "bound": sentence,
        "pricePerMillionImages": price,
    }
