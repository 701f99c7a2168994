"""Named models: versions that stay as they are, aliases, and what a promotion has to show."""

import json
import threading
from pathlib import Path

import pytest

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.models.bundle import CARD, WEIGHTS, Bundle
from tagger.registry.promotion import change_in
from tagger.registry.versions import ALIASES, VERSION, NamedModel, resolved
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.configs.models import ModelsConfig
from tagger.tagging.notebook import Tagger
from tagger.workflows.models import add_model, list_models, promote_model, rollback_model
from tagger.workflows.policy import fit_policy
from tests.builders import policy
from tests.conftest import S3Server


def another(bundle_dir: Path, folder: Path, blur_threshold: float) -> Path:
    """Another model with the same weights."""
    bundle = Bundle.load(Location(str(bundle_dir)))
    bundle.changed(blur_threshold=blur_threshold).save(Location(str(folder)))
    (folder / "report").mkdir()
    (folder / "report/index.html").write_text("figures")
    return folder


def comparison(folder: Path, old: str, new: str, only_old: int, only_new: int, items: int) -> str:
    """What `tagger compare` writes of two models and labelled items."""
    folder.mkdir(exist_ok=True)
    document = {
        "models": {"old": [old], "new": [new]}, "tagged": items, "disagreements": only_old + only_new,
        "truth": {"source": "labels", "items": items, "onlyOld": only_old, "onlyNew": only_new},
        "judged": {"old": 0, "new": 0, "neither": 0, "unclear": 0, "of": 0},
    }  # fmt: skip
    (folder / "comparison.json").write_text(json.dumps(document))
    return str(folder)


def models(action: str, model: object, **more: object) -> ModelsConfig:
    return ModelsConfig.model_validate({"action": action, "model": str(model), **more})


@pytest.fixture
def two(bundle_dir: Path, tmp_path: Path) -> tuple[Path, str, str]:
    """A name with a champion, v1, and v2; and the ids of both."""
    first = another(bundle_dir, tmp_path / "first", 4.0)
    second = another(bundle_dir, tmp_path / "second", 6.0)
    name = tmp_path / "models/fashion"
    added = [
        add_model(models("add", first, to=str(name), alias="champion")),
        add_model(models("add", second, to=str(name), alias="challenger", note="more items")),
    ]
    return name, added[0].version.model_id, added[1].version.model_id


def test_a_version_is_a_bundle_with_all_its_files_and_the_same_bundle_is_added_once(
    two: tuple[Path, str, str], tmp_path: Path
) -> None:
    name, first, second = two
    assert Bundle.load(Location(str(name / "v1"))).card.model_id == first != second
    assert (name / "v2/report/index.html").read_text() == "figures"
    (tmp_path / "first/engine.json").write_text("{}")  # what a machine has measured is no part of a bundle
    again = add_model(models("add", tmp_path / "first", to=str(name)))
    assert (again.is_new, again.version.version) == (False, "v1")
    with_policy = Bundle.load(Location(str(tmp_path / "first"))).changed(policy=policy(0.9))
    with_policy.save(Location(str(tmp_path / "first")))
    third = add_model(models("add", tmp_path / "first", to=str(name)))
    assert (third.is_new, third.version.version, third.version.model_id) == (True, "v3", first)
    (listed,) = list_models(models("list", tmp_path / "models"))
    assert [(v.version.version, v.aliases) for v in listed.versions] == [
        ("v1", ("champion",)),
        ("v2", ("challenger",)),
        ("v3", ()),
    ]


def test_a_reference_is_a_version_or_an_alias_and_a_path_stays_a_path(
    two: tuple[Path, str, str], tmp_path: Path
) -> None:
    name, first, _ = two

    def of(reference: str) -> str:
        return resolved(reference, lambda path: Location(path), "--model")

    assert of(f"{name}@champion") == f"{name}/v1"
    assert of(f"{name}@v2") == of(f"{name}@challenger") == f"{name}/v2"
    assert Tagger.load(f"{name}@champion").card.model_id == first
    odd = another(tmp_path / "first", tmp_path / "me@home", 7.0)
    assert of(str(odd)) == str(odd)
    for reference, message in {
        f"{name}@v9": "has no v9; it has champion, challenger, v1 and v2",
        str(name): "has several versions; name one",
        f"{tmp_path}/gone@champion": "there is no model",
    }.items():
        with pytest.raises(UsageError, match=message):
            of(reference)


def test_a_version_never_changes(two: tuple[Path, str, str]) -> None:
    name, _, _ = two
    with pytest.raises(UsageError, match="versions never change"):
        fit_policy(PolicyConfig.model_validate({"model": f"{name}@v1", "target_precision": 0.9}))
    text = (name / "v1" / CARD).read_text()
    (name / "v1" / CARD).write_text(text.replace('"blurThreshold": 4.0', '"blurThreshold": 4.5'))
    with pytest.raises(InputError, match="was changed after it was added"):
        Tagger.load(f"{name}@champion")


def test_what_a_killed_add_left_is_no_version_and_its_number_is_used(
    two: tuple[Path, str, str], tmp_path: Path
) -> None:
    name, _, _ = two
    (name / "v3").mkdir()
    (name / "v3" / WEIGHTS).write_bytes(b"half")
    (name / "v3/left-over").touch()
    with pytest.raises(UsageError, match="has no v3"):
        Tagger.load(f"{name}@v3")
    third = another(tmp_path / "first", tmp_path / "third", 8.0)
    assert add_model(models("add", third, to=str(name))).version.version == "v3"
    assert not (name / "v3/left-over").exists()


def test_two_that_add_at_once_get_two_versions_or_one_is_told_that_it_has_to_wait(
    two: tuple[Path, str, str], tmp_path: Path
) -> None:
    name, _, _ = two
    bundles = [another(tmp_path / "first", tmp_path / f"b{n}", 10.0 + n) for n in range(6)]
    refused: list[str] = []

    def add(folder: Path) -> None:
        try:
            add_model(models("add", folder, to=str(name)))
        except UsageError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=add, args=(folder,)) for folder in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    added = NamedModel(Location(str(name))).versions()[2:]
    assert len(added) + len(refused) == 6
    assert len({version.model_id for version in added}) == len(added)
    assert all("is taken" in message for message in refused)


def test_a_champion_is_replaced_by_what_a_comparison_shows_to_be_not_worse(
    two: tuple[Path, str, str], tmp_path: Path
) -> None:
    name, first, second = two
    challenger = f"{name}@challenger"
    with pytest.raises(UsageError, match=r"--comparison: v1 is the champion"):
        promote_model(models("promote", challenger))
    worse = comparison(tmp_path / "worse", first, second, only_old=60, only_new=20, items=1000)
    with pytest.raises(InputError, match="does not show that v2 is not worse"):
        promote_model(models("promote", challenger, comparison=worse))
    few = comparison(tmp_path / "few", first, second, only_old=1, only_new=1, items=20)
    with pytest.raises(InputError, match="does not show that v2 is not worse"):
        promote_model(models("promote", challenger, comparison=few))
    swapped = comparison(tmp_path / "swapped", second, first, only_old=0, only_new=0, items=1000)
    with pytest.raises(InputError, match="is not about v1"):
        promote_model(models("promote", challenger, comparison=swapped))
    untold = comparison(tmp_path / "untold", first, second, only_old=0, only_new=0, items=0)
    with pytest.raises(InputError, match="knows no truth"):
        promote_model(models("promote", challenger, comparison=untold))
    assert NamedModel(Location(str(name))).aliases().aliases["champion"] == "v1"
    good = comparison(tmp_path / "good", first, second, only_old=20, only_new=25, items=1000)
    done = promote_model(models("promote", challenger, comparison=good))
    assert (done.before, done.version.version) == ("v1", "v2")
    assert done.change is not None
    assert -0.01 <= done.change.at_least < done.change.mean < 0.01
    (change,) = [c for c in NamedModel(Location(str(name))).aliases().history if c.version == "v2" and c.before]
    assert (change.comparison, change.alias) == (good, "champion")


def test_judged_disagreements_count_for_the_share_of_items_on_which_the_two_disagree() -> None:
    document = {
        "tagged": 2000, "disagreements": 100, "truth": None,
        "judged": {"old": 10, "new": 30, "neither": 8, "unclear": 2, "of": 50},
    }  # fmt: skip
    change = change_in(document)
    assert change is not None
    assert change.items == 50
    assert change.mean == pytest.approx(0.05 * 20 / 52)
    assert 0 < change.at_least < change.mean


def test_a_rollback_returns_to_the_champion_before_and_a_further_one_to_that_before(
    two: tuple[Path, str, str], tmp_path: Path
) -> None:
    name, _, _ = two
    third = another(tmp_path / "first", tmp_path / "third", 8.0)
    add_model(models("add", third, to=str(name)))
    for version in ("v2", "v3"):
        promote_model(models("promote", f"{name}@{version}", without_comparison=True, note="trying"))
    back = [rollback_model(models("rollback", name)) for _ in range(2)]
    assert [(change.before, change.version.version) for change in back] == [("v3", "v2"), ("v2", "v1")]
    with pytest.raises(UsageError, match="has no earlier version"):
        rollback_model(models("rollback", name))
    promote_model(models("promote", f"{name}@v3", without_comparison=True, note="again"))
    assert rollback_model(models("rollback", name)).version.version == "v1"


def test_flags_of_another_action_are_refused() -> None:
    for given, message in (
        ({"action": "list", "note": "x"}, "note belongs to add and promote and rollback"),
        ({"action": "add"}, "to is missing"),
        ({"action": "promote", "without_comparison": True}, "note is missing"),
        ({"action": "add", "to": "models/fashion", "alias": "v3"}, "is the name of a version"),
    ):
        with pytest.raises(ValueError, match=message):
            ModelsConfig.model_validate({"model": "m", **given})


def test_a_name_in_a_bucket_works_as_one_on_a_disk(bundle_dir: Path, tmp_path: Path, s3: S3Server) -> None:
    name, more = f"s3://{s3.bucket}/models/{tmp_path.name}/fashion", {"s3_endpoint": s3.endpoint}
    first = another(bundle_dir, tmp_path / "first", 4.0)
    second = another(bundle_dir, tmp_path / "second", 6.0)
    add_model(models("add", first, to=name, alias="champion", **more))
    add_model(models("add", second, to=name, **more))
    promote_model(models("promote", f"{name}@v2", without_comparison=True, note="trying", **more))
    assert Tagger.load(f"{name}@champion", s3_endpoint=s3.endpoint).card.blur_threshold == 6.0
    rollback_model(models("rollback", name, **more))
    (listed,) = list_models(models("list", name, **more))
    assert listed.aliases.aliases == {"champion": "v1"}
    root = NamedModel(Location(name, s3.endpoint)).root
    assert {file.name for file in root.files()} >= {ALIASES, VERSION, CARD, WEIGHTS}


def test_a_folder_that_is_no_bundle_begins_no_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no bundle"):
        add_model(models("add", tmp_path / "gone", to=str(tmp_path / "models/fashion")))
    assert not (tmp_path / "models/fashion").exists()
