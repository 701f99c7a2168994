"""The last measured choice of an engine is stored beside the bundle, and used only where it still holds."""

from pathlib import Path

import pytest

from tagger.engines import measured
from tagger.engines.measured import ENGINE_FILE, load_measured, store_measured
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck

CHECK = EngineCheck(engine="openvino-cpu-bfloat16", images=512, agreement=0.998, largest_difference=0.1)


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Location:
    bundle.save(Location(str(tmp_path / "bundle")))
    return Location(str(tmp_path / "bundle"))


def test_a_choice_is_kept_in_the_bundles_folder_and_changes_no_model_id(folder: Location, bundle: Bundle) -> None:
    model_id = bundle.card.model_id
    assert load_measured(folder, model_id, "cpu") is None
    store_measured(folder, model_id, "cpu", CHECK)
    assert load_measured(folder, model_id, "cpu") == CHECK
    assert Bundle.load(folder) == bundle
    slower = EngineCheck(engine="torch-cpu-float32", passed_over={CHECK.engine: "agrees on 99.02%"})
    store_measured(folder, model_id, "cpu", slower)
    assert load_measured(folder, model_id, "cpu") == slower, "the last word counts"


def test_a_choice_for_another_model_machine_or_library_is_not_taken(
    folder: Location, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = bundle.card.model_id
    store_measured(folder, model_id, "cpu", CHECK)
    assert load_measured(folder, "another-model", "cpu") is None
    with monkeypatch.context() as patched:
        patched.setattr(measured, "_CPU_INFO", Path("/proc/version"))
        assert load_measured(folder, model_id, "cpu") is None, "another processor"
        store_measured(folder, model_id, "cpu", EngineCheck(engine="torch-cpu-float32"))
    assert load_measured(folder, model_id, "cpu") == CHECK, "each machine keeps its own"
    monkeypatch.setattr(measured, "_LIBRARIES", ("numpy",))
    assert load_measured(folder, model_id, "cpu") is None


def test_a_bundle_that_cannot_be_written_to_has_its_choice_in_the_cache(
    folder: Location, bundle: Bundle, caches: Path
) -> None:
    model_id = bundle.card.model_id
    store_measured(Location("s3://bucket/bundle"), model_id, "cpu", CHECK)
    assert [file.name for file in caches.rglob("*.json")] == [f"{model_id}.json"]
    assert load_measured(Location("s3://bucket/bundle"), model_id, "cpu") == CHECK
    assert not (folder / ENGINE_FILE).exists()
    (folder / ENGINE_FILE).write_text("{")
    assert load_measured(folder, model_id, "cpu") == CHECK, "what cannot be read is passed over"
