"""Final tags as a Python user gets them, and what the command says of the same."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import UsageError
from tagger.jobs.apply import run
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.apply import ApplyConfig
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.final_tag import TagState
from tagger.workflows.export import export
from tests.written_runs import Leaf, write_run

LEAF: Leaf = ("Apparel", "Shirts")


@pytest.fixture
def config(tmp_path: Path) -> ApplyConfig:
    """A run of three items that wait for a person, who decided about the first, and about one that is not there."""
    folder = write_run(tmp_path / "shop", [(LEAF, {LEAF: 0.5})] * 3, {})
    now = datetime(2026, 1, 3, tzinfo=UTC)
    decided = {"masterCategory": "Apparel", "articleType": "Shirts", "verdict": "accepted", "decidedBy": "Ann"}
    rows = [{"id": item, "decidedAt": now, "runId": "r", "modelId": "m", **decided} for item in ("0", "gone")]
    (folder / "decisions").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), folder / "decisions/part-00000.parquet")
    return ApplyConfig(run=str(folder), out=str(tmp_path / "tags"))


def test_tags_are_written_in_python_without_a_word_on_standard_output(
    config: ApplyConfig, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    result = export(config)
    assert (result.items, result.in_state(TagState.COMPLETE), result.not_set, result.decisions) == (3, 1, 2, 1)
    assert result.files == {"tags-00000.parquet": 3, "tags-00000.csv": 1}
    assert (Path(config.out) / "_SUCCESS").exists()
    assert pd.read_csv(Path(config.out) / "tags-00000.csv", dtype=str).to_numpy().tolist() == [["0", *LEAF]]
    assert caplog.messages == ["1 decision is about an item that no finished run here has"]
    assert capsys.readouterr().out == ""


def test_the_command_says_where_the_file_for_the_pim_goes(
    config: ApplyConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, Console()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: import {config.out}/tags-00000.csv into your PIM."


def test_tags_never_go_into_the_run_itself_nor_into_a_folder_that_is_in_use(config: ApplyConfig) -> None:
    with pytest.raises(UsageError, match="is the run itself"):
        export(config.model_copy(update={"out": config.run}))
    export(config)
    with pytest.raises(UsageError, match="is not empty"):
        export(config)
