"""Of what a bundle knows and a manifest has, a run takes what a policy covers."""

from pathlib import Path

import numpy as np
import pytest

from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel, Weights
from tagger.models.titles import TitleModel
from tagger.reporter import LOG
from tagger.schemas.configs.confidence import EvidenceConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.bundle import LevelPolicy, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.training.columns import fit_columns
from tagger.workflows.evidence_used import EvidenceUsed, resolve_evidence
from tagger.workflows.open_catalog import open_manifest

SURE = LevelPolicy(target_precision=0.9, accept_above=0.5, coverage=1, precision=1, at_least=0.9)
POLICY = Policy(probability=0.9, fitted_on=9, levels=dict.fromkeys(Level, SURE))
KINDS = list(Evidence)[1:]


@pytest.fixture
def knowing(bundle: Bundle, tmp_path: Path) -> Bundle:
    """A bundle that knows titles of `name` and the column `kind`."""
    count = len(bundle.card.taxonomy.leaves)
    prior, leaves = np.full(count, 1 / count, np.float32), np.arange(20 * count) % count
    weight, bias = np.zeros((count, 2), np.float32), np.zeros(count, np.float32)
    titles = TitleModel(("name",), ("first",), ("fir",), np.ones(2, np.float32), weight, bias, prior)
    columns = fit_columns({"kind": [f"k{leaf}" for leaf in leaves]}, leaves, count, NoValue())
    weights = {kind: Weights((1.0,) * len(kind.witnesses), 1.0) for kind in KINDS}
    bundle.save(Location(str(tmp_path / "bundle")))
    EvidenceModel(bundle.card.model_id, prior, titles, columns, weights).save(Location(str(tmp_path / "bundle")))
    return bundle


def used_by(folder: Path, bundle: Bundle, heading: str, **settings: object) -> EvidenceUsed:
    (folder / "m.csv").write_text(f"id,{heading}\na,first,k1\n")
    given = {"manifest": folder / "m.csv", "images": "images", "model": folder / "bundle", "out": "run", **settings}
    config = TagConfig.model_validate(given)
    return resolve_evidence(config, bundle, open_manifest(config.manifest, config, LOG), LOG)[1]


def test_a_manifest_that_lacks_a_column_offers_fewer_kinds_of_evidence(knowing: Bundle, tmp_path: Path) -> None:
    assert used_by(tmp_path, knowing, "name,kind").kinds == tuple(KINDS)
    assert used_by(tmp_path, knowing, "other,kind").kinds == (Evidence.IMAGE_AND_COLUMNS,)
    assert used_by(tmp_path, knowing, "name,other").names == ("name",)
    assert used_by(tmp_path, knowing, "a,b") == EvidenceUsed()
    assert used_by(tmp_path, knowing, "name,kind", evidence="image") == EvidenceUsed()


def test_a_kind_without_a_policy_is_left_out_and_the_others_are_not(
    knowing: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    covered = knowing.changed(policy=POLICY, policies=dict.fromkeys(KINDS[:3], POLICY))
    assert used_by(tmp_path, covered, "name,kind").kinds == tuple(KINDS[:3])
    assert "no policy for title, title+columns" in caplog.text
    assert used_by(tmp_path, covered, "name,kind", evidence="all").kinds == tuple(KINDS)
    assert used_by(tmp_path, covered, "name,kind", accept_above=0.9).kinds == tuple(KINDS)
    by_image = knowing.changed(policy=POLICY, policies={})
    assert used_by(tmp_path, by_image, "name,kind") == EvidenceUsed()


def test_old_names_of_the_flag_and_its_values_are_understood_and_columns_alone_are_refused() -> None:
    common = {"manifest": "m", "images": "i", "model": "b", "out": "o"}
    for before, now in (("fuse", "all"), ("ignore", "image"), ("check", "check"), ("auto", "auto")):
        assert TagConfig.model_validate({**common, "titles": before}).evidence == now
    with pytest.raises(ValueError, match="columns tag nothing without images"):
        EvidenceConfig(model="b", manifest="m", evidence=["gender"])
    assert EvidenceConfig(model="b", manifest="m", evidence=["gender, usage"], run="r").evidence == ["gender", "usage"]
