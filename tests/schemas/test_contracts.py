import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from tagger.errors import UsageError
from tagger.jobs.schema import ARROW, MODELS
from tagger.jobs.schema import text_of as schema
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.similarity import IndexConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.prediction import PREDICTION
from tagger.schemas.values import parse_share_or_count, parse_size
from tests.conftest import Outcome


@pytest.mark.parametrize("name", sorted(ARROW))
def test_every_column_of_a_contract_has_a_description(name: str) -> None:
    for field in ARROW[name]:
        assert len(field.metadata[b"description"]) > 10, field.name


@pytest.mark.parametrize("name", sorted([*ARROW, *MODELS]))
def test_every_contract_prints_as_json_schema(name: str) -> None:
    document = json.loads(schema(name, arrow=False))
    assert document["type"] == "object"
    assert document["properties"]


def test_the_names_come_as_json_with_each_contract_once(tagger: Callable[..., Outcome]) -> None:
    outcome = tagger("schema", "--json")
    assert outcome.code == 0, outcome.err
    names = json.loads(outcome.out)
    assert len(names) == len(set(names))
    assert set(names) >= {"prediction", "reject", "bundle", "run", "similar"}
    assert names == tagger("schema").out.split()


def test_the_config_of_every_command_can_be_printed(tagger: Callable[..., Outcome]) -> None:
    names = json.loads(tagger("schema", "--json").out)
    for command, config in JOBS.items():
        (name,) = {command, f"{command}_config"} & {name for name in names if name in MODELS}
        outcome = tagger("schema", name, "--json")
        assert outcome.code == 0, outcome.err
        assert set(json.loads(outcome.out)["properties"]) == set(config.model_json_schema()["properties"]), name
    assert "similarId" in json.loads(tagger("schema", "similar", "--json").out)["properties"]


def test_the_columns_of_a_contract_come_as_json(tagger: Callable[..., Outcome]) -> None:
    columns = json.loads(tagger("schema", "prediction", "--arrow", "--json").out)
    assert [column["name"] for column in columns] == PREDICTION.names
    assert all(len(column["description"]) > 10 for column in columns)


def test_the_prediction_listing_names_every_column_with_its_type() -> None:
    listing = schema("prediction", arrow=True).splitlines()
    assert [line.split()[0] for line in listing] == PREDICTION.names
    assert "timestamp[us, tz=UTC]" in listing[-1]


def test_no_column_of_the_predictions_is_lost_renamed_or_moved() -> None:
    assert PREDICTION.names == [
        "id", "imageUri", "imageDigest", "imageEtag", "masterCategory", "masterCategoryConfidence", "articleType",
        "articleTypeConfidence", "alternatives", "decision", "reviewReasons", "blurScore", "evidenceDigest", "evidence",
        "imageArticleType", "imageArticleTypeConfidence", "titleArticleType", "titleArticleTypeConfidence",
        "images", "attributes", "brightness", "imageWidth", "imageHeight", "familiarity", "errorCode", "errorMessage",
        "modelId", "runId", "taggedAt",
    ], (
        "other programs read these columns: add a new one before errorCode, here too, and in CHANGELOG.md; "
        "CONTRIBUTING.md says where else a column goes"
    )  # fmt: skip
    assert PREDICTION.field("taggedAt").type == pa.timestamp("us", tz="UTC")


def test_a_config_takes_a_path_wherever_it_takes_the_text_of_one() -> None:
    config = CheckConfig.model_validate({"manifest": Path("styles.csv"), "images": Path("images")})
    assert config == CheckConfig(manifest="styles.csv", images="images")
    index = IndexConfig.model_validate({"run": [Path("run-1"), "run-2"], "out": Path("index")})
    assert (index.run, index.out) == (["run-1", "run-2"], "index")


def test_an_unknown_contract_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="prediction"):
        schema("nonsense", arrow=False)


def test_an_arrow_listing_of_a_document_is_refused() -> None:
    with pytest.raises(UsageError, match="JSON document"):
        schema("bundle", arrow=True)


def test_an_unknown_config_key_is_an_error() -> None:
    with pytest.raises(ValidationError, match="epoch"):
        TrainConfig(manifest="m", images="i", out="o", epoch=3)  # type: ignore[call-arg]


def test_configs_are_frozen() -> None:
    config = TagConfig(manifest="m", model="b", out="o")
    with pytest.raises(ValidationError, match="frozen"):
        config.out = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": "big"}, "HEIGHTxWIDTH"),
        ({"image_size": "4x4"}, "8 to 2048"),
        ({"val": 0.5, "test": 0.4, "control": 0.1}, "nothing to train on"),
        ({"epochs": 0}, "both 0"),
        ({"batch_size": 31, "workers": 2}, "divide"),
        ({"batch_size": 14, "workers": "2-8"}, "divide"),
        ({"workers": 0}, "at least one process"),
        ({"workers": "8-2"}, "nor a range"),
        ({"merge": {"Home": "Free Items", "Free Items": "Other"}}, "merged into"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainConfig(**{"manifest": "m", "out": "o", **changes})  # type: ignore[arg-type]


def test_one_threshold_counts_for_both_levels_and_one_named_keeps_the_other() -> None:
    both = TagConfig(manifest="m", model="b", out="o", accept_above="0.8")  # type: ignore[arg-type]
    assert both.accept_above == {Level.MASTER_CATEGORY: 0.8, Level.ARTICLE_TYPE: 0.8}
    one = TagConfig(manifest="m", model="b", out="o", accept_above={"articleType": "0.7"})  # type: ignore[dict-item]
    assert one.accept_above == {Level.ARTICLE_TYPE: 0.7}


def test_one_column_is_not_both_levels() -> None:
    with pytest.raises(ValidationError, match="label is named for masterCategory and articleType; each needs a column"):
        CheckConfig(manifest="m", column={"masterCategory": "label", "articleType": "label"})


def test_sizes_and_shares_are_read_as_written() -> None:
    assert parse_size("112x84") == (112, 84)
    assert parse_share_or_count("5%") == (0.05, None)
    assert parse_share_or_count("100") == (None, 100)
    with pytest.raises(ValueError, match="neither"):
        parse_share_or_count("120%")


def test_a_taxonomy_knows_its_classes_and_merges() -> None:
    taxonomy = Taxonomy.of([("B", "x"), ("A", "y"), ("A", "x")], {"Z": "A"})
    assert taxonomy.classes(Level.MASTER_CATEGORY) == ("A", "B")
    assert taxonomy.classes(Level.ARTICLE_TYPE) == ("x", "y")
    assert taxonomy.index == {("A", "x"): 0, ("A", "y"): 1, ("B", "x"): 2}
    assert [taxonomy.merged(m) for m in ("Z", "B", None)] == ["A", "B", None]
    with pytest.raises(ValidationError, match="at least two"):
        Taxonomy.of([("A", "x")], {})


@pytest.mark.parametrize("name", sorted(name for name, model in MODELS.items() if "s3_endpoint" in model.model_fields))
def test_an_s3_endpoint_without_a_scheme_is_refused_by_every_command(name: str) -> None:
    with pytest.raises(ValidationError, match="begins with http:// or https://"):
        MODELS[name].model_validate({"s3_endpoint": "localhost:9000"})
