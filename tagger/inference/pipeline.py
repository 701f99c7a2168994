"""The Ray Data graphs: shards through tagging actors into parts, and decoded images through a model."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy

from schemas.taxonomy import Level
from tagger.catalog.shards import read_shard, shard_of
from tagger.catalog.stores import ImageStore, fetch_all
from tagger.inference.predictor import Predictor, Request, decode_threads
from tagger.inference.runs import RunDirectory
from tagger.models.bundle import Bundle
from tagger.models.engines import TorchEngine, pick_device
from tagger.watch import run_watched

_CHUNK_ROWS = 64  # files in memory at once, and as many fetched ahead
_TASKS_IN_FLIGHT = 2


@dataclass(frozen=True)
class TagPlan:
    """What every tagging worker needs besides the model."""

    run: RunDirectory
    run_id: str
    store: ImageStore
    accept_above: Mapping[Level, float]
    max_pixels: int
    batch_size: int
    device: str


def tag_shards(
    plan: TagPlan, bundle: Bundle, shards: Sequence[int], workers: int, watch: Callable[[int], None]
) -> None:
    """Tag shards on a pool of actors, each shard into its part.

    Args:
        plan: What the workers need.
        bundle: The model, sent to the workers once.
        shards: Numbers of the shards to do.
        workers: Size of the actor pool.
        watch: Called now and then, in this thread, with the number of rows tagged by this call.
    """
    counter = ray.remote(num_cpus=0)(_Counter).remote()
    numbers = ray.data.from_items(list(shards), override_num_blocks=len(shards))
    arguments = (plan, _Shared(ray.put(bundle)), counter)
    tagged = _on_actors(numbers, _ShardTagger, arguments, batch_size=1, workers=workers, device=plan.device)
    run_watched(lambda: sum(1 for _ in tagged.iter_rows()), lambda: watch(ray.get(counter.read.remote())))


def leaf_logits(
    images: ray.data.Dataset, bundle: Bundle, batch_size: int, device: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a model over decoded images.

    Args:
        images: Rows of split, leaf and image uint8 [H, W, 3], materialised.
        bundle: The model, sent to the workers once.
        batch_size: Images per pass.
        device: `cpu` or `cuda`.

    Returns:
        Logits float32 [N, L], leaves int64 [N] and names of splits, object [N], in any order.
    """
    arguments = (_Shared(ray.put(bundle)), batch_size, device)
    workers = workers_for(device, 0, images.num_blocks())
    found = _on_actors(images, _LeafLogits, arguments, batch_size=_CHUNK_ROWS, workers=workers, device=device)
    batches = list(found.iter_batches(batch_format="numpy", batch_size=None))
    columns = [np.concatenate([b[name] for b in batches]) for name in ("logits", "leaf", "split")]
    return columns[0], columns[1], columns[2]


@dataclass(frozen=True)
class _Shared:
    """A bundle in Ray's object store: workers on a node read one copy."""

    ref: Any

    def get(self) -> Bundle:
        found: Bundle = ray.get(self.ref)
        return found


def _on_actors(
    data: ray.data.Dataset, actor: type, arguments: tuple[object, ...], batch_size: int, workers: int, device: str
) -> ray.data.Dataset:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args")  # Ray 2.60 has no other way to bound retries yet
        return data.map_batches(
            actor,
            fn_constructor_args=arguments,
            batch_size=batch_size,
            batch_format="numpy",
            compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=_TASKS_IN_FLIGHT),
            num_cpus=1,
            num_gpus=int(device == "cuda"),
            ray_remote_args_fn=_retries,
        )


def _retries() -> dict[str, Any]:
    """Ray Data's default is to try for ever, which an image that kills its decoder would turn into a hang."""
    return {"max_restarts": 3, "max_task_retries": 3}


def _engine(bundle: Bundle, batch_size: int, device: str) -> TorchEngine:
    return TorchEngine(bundle.classifier(), pick_device(device), batch_size, bundle.card.inference.flip)


class _Counter:
    """How many rows all workers have tagged."""

    def __init__(self) -> None:
        self._rows = 0

    def add(self, rows: int) -> None:
        self._rows += rows

    def read(self) -> int:
        return self._rows


class _ShardTagger:
    """An actor that turns shards into parts: it fetches the next images while it looks at these."""

    def __init__(self, plan: TagPlan, bundle: _Shared, counter: Any) -> None:
        self._plan = plan
        self._counter = counter
        model = bundle.get()
        threads = decode_threads() if plan.device == "cuda" else 1
        self._predictor = Predictor(
            model,
            _engine(model, plan.batch_size, plan.device),
            plan.accept_above,
            plan.run_id,
            plan.max_pixels,
            threads,
        )
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="fetch")

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for number in batch["item"].tolist():
            table = read_shard(shard_of(self._plan.run.work, number))
            parts = []
            for request in self._requests(table):
                parts.append(self._predictor(request))
                self._counter.add.remote(len(request))
            self._plan.run.write_part(number, pa.concat_tables(parts))
        return {"shard": batch["item"]}

    def _requests(self, table: pa.Table) -> Iterator[Request]:
        chunks = [table.slice(i, _CHUNK_ROWS) for i in range(0, len(table), _CHUNK_ROWS)]
        coming = self._ahead.submit(self._fetch, chunks[0])
        for following in [*chunks[1:], None]:
            request = coming.result()
            if following is not None:
                coming = self._ahead.submit(self._fetch, following)
            yield request

    def _fetch(self, chunk: pa.Table) -> Request:
        refs = chunk["imageRef"].to_pylist()
        images = fetch_all(self._plan.store, refs)
        return Request(chunk["id"].to_pylist(), refs, images, chunk["masterCategory"].to_pylist())


class _LeafLogits:
    """An actor that runs a model over decoded images."""

    def __init__(self, bundle: _Shared, batch_size: int, device: str) -> None:
        self._engine = _engine(bundle.get(), batch_size, device)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits, _ = self._engine.run(batch["image"])
        return {"logits": logits, "leaf": batch["leaf"], "split": batch["split"]}


def workers_for(device: str, wanted: int, pieces: int) -> int:
    """Size of an actor pool: as asked, else one actor a GPU or a core, and never more than there are pieces of work."""
    resources = ray.cluster_resources()
    fitting = resources.get("GPU", 0) if device == "cuda" else resources.get("CPU", 2) - 1
    return max(1, min(wanted or int(fitting), pieces))
