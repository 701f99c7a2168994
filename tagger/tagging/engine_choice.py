"""Chooses the engine of a run in the background, for example while Ray starts."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tagger.cluster.session import ray_is_running
from tagger.engines.choice_progress import ChoiceProgress
from tagger.engines.process import ChosenEngine, EngineProcess, EngineRequest
from tagger.engines.sample import RunSample
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.runs.staging import shard_of
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import EngineCheck
from tagger.tagging.crashes import Crashes
from tagger.tagging.on_ray import choose_engine_on_ray


class EngineChoice:
    """The choice of an engine for a run: begins once there are shards to measure on, ends once the device is known.

    Args:
        config: The run's config.
        bundle: The model.
        store: Where the run's images are.
        before: The engine of a resumed run, which is used again if possible.
    """

    def __init__(self, config: TagConfig, bundle: Bundle, store: ImageStore, before: EngineCheck | None) -> None:
        self._config = config
        self._before = before
        self._bundle = bundle
        self._store = store
        here = not config.ray_address and config.device != "cuda"
        self._process = EngineProcess() if here and not ray_is_running() else None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._request: EngineRequest
        self.progress: ChoiceProgress | None = None
        """Progress of the choice; None before the first image."""
        self.chosen: Future[ChosenEngine] = Future()
        """The engine, once `finish` has been called and it is chosen."""
        self._early: Future[ChosenEngine | None] | None = None

    def __enter__(self) -> "EngineChoice":
        return self

    def __exit__(self, *error: object) -> None:
        if self._process:
            self._process.close()
        self._pool.shutdown(wait=False)

    def begin(self, work: Location, pending: Sequence[int], items: int) -> None:
        """Begin to choose, by measuring on images of shards where no earlier run has chosen.

        Args:
            work: The folder of the shards.
            pending: Numbers of the shards to do.
            items: Number of items of the run.
        """
        shards = [shard_of(work, number) for number in pending]
        crashed = Crashes.read(work).digests
        sample = RunSample(shards, self._store, self._bundle.card, self._config.max_pixels, crashed=crashed)
        config = self._config
        folder = Location(config.model, config.s3_endpoint, config.s3_region)
        self._request = EngineRequest(
            self._bundle, config.engine, config.batch_size, sample, self._before, folder, items
        )
        if self._process:
            self._early = self._pool.submit(self._process.choose, self._request, self._config.device, self._record)

    def finish(self, device: str) -> None:
        """Choose for `cpu` or `cuda`: the engine of the resumed run, or the quickest on the run's images."""
        self.chosen = self._pool.submit(self._choose, device)

    def _choose(self, device: str) -> ChosenEngine:
        early = self._early.result() if self._early else None
        if early and device == "cpu":
            return early
        if self._config.ray_address or device == "cuda":
            return choose_engine_on_ray(self._request, device, self._record)
        return self._request.choose(device, self._record)

    def _record(self, progress: ChoiceProgress) -> None:
        self.progress = progress


def in_words(chosen: EngineCheck) -> str:
    """A line about a run's engine, with the faster ones that were rejected."""
    same = chosen.engine.rpartition("-")[0] + "-"
    reasons = [f"{name.removeprefix(same)} {reason}" for name, reason in chosen.passed_over.items()]
    passed_over = f" ({'; '.join(reasons)})" if reasons else ""
    uncompiled = ", not compiled and so slower" if chosen.compiled is False else ""
    return f"Engine: {chosen.engine}{uncompiled}{', as an earlier run chose it' if chosen.earlier else ''}{passed_over}"
