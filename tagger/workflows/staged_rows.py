"""Stages the manifest of a run: in this process, or a large one on the run's Ray."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tagger.cluster.session import ray_session
from tagger.cluster.tasks import in_tasks, on_every_node
from tagger.flow.tasks import Tasks, in_turn
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.machine import usable_cores
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import Selection
from tagger.reporter import Reporter
from tagger.runs.directory import RunDirectory
from tagger.runs.parallel_staging import ranges_to_stage, stage_ranges, staging_keys
from tagger.runs.range_staging import RangeStaging
from tagger.runs.staging import Staged, finished_staging, stage
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.values import parse_range
from tagger.tagging.worker_pool import fitting_workers


class TagSession:
    """The run's Ray: a cluster is joined before the manifest is read, to know how many will share the work."""

    def __init__(self, config: TagConfig, reporter: Reporter, stack: ExitStack) -> None:
        self._config = config
        self._reporter = reporter
        self._stack = stack
        self._most = parse_range(config.workers)[1]
        self._has_begun = False

    def workers(self) -> int:
        """How many workers there will be, as far as is known."""
        if self._config.ray_address:
            self.begin()
        return self._most or (fitting_workers("CPU", sys.maxsize) if self._has_begun else usable_cores())

    def tasks(self) -> Tasks:
        """What makes calls: Ray, where it has begun, else this process."""
        return in_tasks if self._has_begun else in_turn

    def begin(self) -> None:
        """Start Ray, or join the cluster."""
        if not self._has_begun:
            if self._config.ray_address:
                self._reporter.step(f"Joining the Ray cluster {self._config.ray_address}")
            self._stack.enter_context(ray_session(self._config, processes=self._most, reporter=self._reporter))
            self._has_begun = True


def staged_rows(
    config: TagConfig,
    reporter: Reporter,
    directory: RunDirectory,
    manifest: Manifest,
    store: ImageStore,
    selection: Selection,
    keep: Sequence[str],
    session: TagSession,
) -> Staged:
    """Write the manifest's rows to shards; notices of the selection rules become warnings."""
    finished = finished_staging(directory.work, keep)
    if finished:
        return finished
    workers = session.workers()
    ranges = ranges_to_stage(manifest, store, selection)
    if ranges:
        session.begin()
        if not all(on_every_node(_all_exist, [manifest.files[0], manifest.files[-1]])):
            ranges = []
            reporter.warn(
                f"--manifest {config.manifest} is not on all nodes, so one process reads it; a shared folder or s3:// "
                "is quicker"
            )
    reporter.step(f"Reading the manifest{f', in {len(ranges)} ranges' if ranges else ''}")
    with reporter.progress("Reading the manifest", manifest.row_count(), "rows") as bar:
        if ranges:
            keys = staging_keys(directory.work, directory.rejects, keep)
            staging = RangeStaging(manifest, store, selection, tuple(keep), directory.work, directory.rejects, keys)
            staged = stage_ranges(staging, ranges, config.part_rows, bar.update, workers, in_tasks)
        else:
            staged = stage(
                manifest, store, directory.work, directory.rejects, config.part_rows, selection, keep,
                bar.update, workers,
            )  # fmt: skip
    for remark in selection.remarks():
        reporter.step(remark)
    return staged


def _all_exist(files: Sequence[Location]) -> bool:
    return all(file.exists() for file in files)
