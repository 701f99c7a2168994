"""Trainings on an embedded Ray whose worker is killed within an epoch."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from tagger.dataset.usable import USABLE, UsableRows
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.benchmark.process_tree import tree_of
from tagger.training.on_ray import CHECKPOINTS, Sides, fit
from tagger.training.plan import Plan
from tagger.training.progress import Progress
from tagger.training.row_images import Decoder
from tests.builders import catalog_of
from tests.tagger.training.test_learner import plan_of
from tests.tagger.training.test_row_images import drawn_rows

STEPS = 12
KILLS = 3
"""One more than a Ray trainer survives."""


def sides_of(drawn: Drawn, plan: Plan, folder: Path) -> Sides:
    rows = drawn_rows(drawn).to_pandas().assign(id="i", time="", number=0, blur=0.0, blurred=0.0)
    rows["leaf"] %= 3
    shards = [Location(str(folder / f"{name}.parquet")) for name in ("train", "val")]
    for shard, chosen in zip(shards, (rows.iloc[:72], rows.iloc[72:]), strict=True):
        write_parquet(shard, pa.Table.from_pandas(chosen, schema=USABLE, preserve_index=False))
    _, store = catalog_of(drawn.manifest, drawn.images)
    train, val = (UsableRows((shard,)) for shard in shards)
    return Sides(train, val, Decoder(store, plan.card.preprocessing, 10_000_000))


class Killer:
    """Kills the worker several times, each time after some checkpoints within an epoch, and counts these."""

    def __init__(self, storage: Path, kills: int) -> None:
        self._storage = storage
        self.kills = kills
        self.most_checkpoints = 0
        self._killed_at = 0
        self.resumed: set[tuple[int, int]] = set()

    def __call__(self, progress: Progress) -> None:
        """Look at the progress."""
        folders = list((self._storage / CHECKPOINTS).glob("checkpoint_*"))
        self.most_checkpoints = max(self.most_checkpoints, len(folders))
        self.resumed.add((progress.resumed, progress.resumed_step))
        workers = [pid for pid, name in tree_of(os.getpid()).items() if "RayTrainWorker" in name]
        if self.kills and progress.step and progress.saved >= self._killed_at + 2 and workers:
            self.kills -= 1
            self._killed_at = progress.saved
            os.kill(workers[0], signal.SIGKILL)


@pytest.mark.usefixtures("embedded_ray")
def test_a_worker_that_is_killed_within_epochs_goes_on_there_each_time_and_changes_no_weight(
    drawn: Drawn, tmp_path: Path
) -> None:
    plan = replace(plan_of(tmp_path, epochs=2, batch_size=6), threads=1)
    sides = sides_of(drawn, plan, tmp_path)
    trained = []
    for kills in (0, KILLS):
        storage = tmp_path / f"storage-{kills}"
        storage.mkdir()
        killer = Killer(storage, kills)
        trained.append(fit(replace(plan, checkpoint_s=0 if kills else 600), sides, Location(str(storage)), killer))
        assert killer.kills == 0
        assert killer.most_checkpoints <= 5 + 2 * kills, "they do not pile up; a kill leaves those in the making"
        if kills:
            assert {0 < step < STEPS for _, step in killer.resumed} == {False, True}, killer.resumed
    undisturbed, disturbed = trained
    assert [epoch["epoch"] for epoch in disturbed.history] == [0, 1]
    assert disturbed.best_epoch == undisturbed.best_epoch
    for name, weights in undisturbed.weights.items():
        assert torch.equal(disturbed.weights[name], weights), name


@pytest.mark.usefixtures("embedded_ray")
def test_a_range_of_workers_takes_as_many_as_there_is_room_for(drawn: Drawn, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, epochs=1, batch_size=8, workers="1-2")
    steps: set[int] = set()
    (tmp_path / "storage").mkdir()
    trained = fit(
        replace(plan, workers=1, threads=1, checkpoint_s=60),
        sides_of(drawn, plan, tmp_path),
        Location(str(tmp_path / "storage")),
        lambda progress: steps.add(progress.steps),
    )
    assert len(trained.history) == 1
    assert steps == {9}, "of two workers with 4 images a step each"
