"""The choice of an engine is stored beside the bundle, and used only where it still holds."""

from pathlib import Path

import pytest

from tagger.engines import measured
from tagger.engines.measured import load_measured, store_measured
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.engine import ENGINE_FILE
from tagger.schemas.documents.run import EngineCheck
from tests.builders import policy

CHECK = EngineCheck(engine="openvino-cpu-bfloat16", images=512, agreement=0.998, largest_difference=0.1)
IMAGES = 1000


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Location:
    bundle.save(Location(str(tmp_path / "bundle")))
    return Location(str(tmp_path / "bundle"))


def test_a_choice_is_kept_in_the_bundles_folder_and_changes_no_model_id(folder: Location, bundle: Bundle) -> None:
    card = bundle.card
    assert load_measured(folder, card, "cpu", IMAGES) is None
    store_measured(folder, card, "cpu", IMAGES, CHECK)
    assert load_measured(folder, card, "cpu", IMAGES) == CHECK
    assert Bundle.load(folder) == bundle
    slower = EngineCheck(engine="torch-cpu-float32", passed_over={CHECK.engine: "agrees on 99.02%"})
    store_measured(folder, card, "cpu", IMAGES, slower)
    assert load_measured(folder, card, "cpu", IMAGES) == slower, "the last word counts"


def test_a_choice_for_another_model_machine_or_library_is_not_taken(
    folder: Location, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = bundle.card
    store_measured(folder, card, "cpu", IMAGES, CHECK)
    assert load_measured(folder, card.model_copy(update={"model_id": "another"}), "cpu", IMAGES) is None
    with monkeypatch.context() as patched:
        patched.setattr(measured, "_CPU_INFO", Path("/proc/version"))
        assert load_measured(folder, card, "cpu", IMAGES) is None, "another processor"
        store_measured(folder, card, "cpu", IMAGES, EngineCheck(engine="torch-cpu-float32"))
    assert load_measured(folder, card, "cpu", IMAGES) == CHECK, "each machine keeps its own"
    monkeypatch.setattr(measured, "_LIBRARIES", ("numpy",))
    assert load_measured(folder, card, "cpu", IMAGES) is None


def test_a_choice_by_the_decisions_of_another_policy_is_not_taken(folder: Location, bundle: Bundle) -> None:
    fitted, again = (bundle.card.model_copy(update={"policy": policy(above)}) for above in (0.8, 0.9))
    assert fitted.model_id == again.model_id
    store_measured(folder, fitted, "cpu", IMAGES, CHECK)
    assert load_measured(folder, fitted, "cpu", IMAGES) == CHECK
    assert load_measured(folder, again, "cpu", IMAGES) is None
    assert load_measured(folder, bundle.card, "cpu", IMAGES) is None


def test_a_bundle_that_cannot_be_written_to_has_its_choice_in_the_cache(
    folder: Location, bundle: Bundle, caches: Path
) -> None:
    card = bundle.card
    store_measured(Location("s3://bucket/bundle"), card, "cpu", IMAGES, CHECK)
    assert [file.name for file in caches.rglob("*.json")] == [f"{card.model_id}.json"]
    assert load_measured(Location("s3://bucket/bundle"), card, "cpu", IMAGES) == CHECK
    assert not (folder / ENGINE_FILE).exists()
    (folder / ENGINE_FILE).write_text("{")
    assert load_measured(folder, card, "cpu", IMAGES) == CHECK, "what cannot be read is passed over"


@pytest.mark.parametrize(
    ("offered", "images", "holds"), [(300, 20, True), (300, 600, True), (300, 601, False), (4096, 10**8, True)]
)
def test_a_choice_by_few_images_is_made_again_with_twice_as_many(
    folder: Location, bundle: Bundle, offered: int, images: int, holds: bool
) -> None:
    store_measured(folder, bundle.card, "cpu", offered, CHECK)
    assert (load_measured(folder, bundle.card, "cpu", images) == CHECK) is holds
