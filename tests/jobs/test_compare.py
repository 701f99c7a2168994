"""Two bundles are compared on a sample that both tag."""

from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.errors import UsageError
from tagger.jobs.compare import run
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.compare import CompareConfig
from tagger.workflows.compare import compare


@pytest.mark.slow
def test_a_bundle_agrees_with_itself_on_a_sample_of_the_manifest(
    drawn: Drawn, bundle_dir: Path, tmp_path: Path, embedded_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CompareConfig(
        old=str(bundle_dir), new=str(bundle_dir), manifest=str(drawn.manifest), images=str(drawn.images),
        out=str(tmp_path / "c"), sample=50,
    )  # fmt: skip
    assert run(config, Console()) == 0
    said = capsys.readouterr().out
    assert "100.0% have the same article type" in said
    assert "0 article types change" in said
    sample = pd.read_parquet(tmp_path / "c/sample.parquet")
    assert len(sample) == 50
    again = compare(config)
    assert again.article_agreement == 1.0
    assert again.to_judge == 0
    assert len(again.pairs.frame) == 50
    with pytest.raises(UsageError, match="name two of a kind"):
        compare(config.model_copy(update={"old": str(tmp_path / "c/old"), "out": str(tmp_path / "d")}))
