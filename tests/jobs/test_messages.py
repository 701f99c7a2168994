"""Every wrong call ends in one clear message, with its exit code and without a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.demo.drawn_catalogue import Drawn
from tests.conftest import Outcome

Run = Callable[..., Outcome]


def told(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    for word in words:
        assert word in outcome.err
    assert len(outcome.err.strip().splitlines()) <= 4, outcome.err


@pytest.fixture
def inputs(drawn: Drawn) -> list[object]:
    return ["--manifest", drawn.manifest, "--images", drawn.images]


def test_a_wrong_manifest_path(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    for command in (["check"], ["train", "--out", tmp_path / "b"]):
        outcome = tagger(*command, "--manifest", tmp_path / "no.csv", "--images", drawn.images)
        told(outcome, 2, "there is no file", "no.csv")


def test_a_wrong_images_path(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    told(tagger("check", "--manifest", drawn.manifest, "--images", tmp_path / "no"), 2, "--images", "no folder")


def test_an_unknown_column(tagger: Run, inputs: list[object]) -> None:
    told(tagger("check", *inputs, "--column", "articleType=kind"), 2, "articleType=kind", "productDisplayName")


def test_an_unknown_role(tagger: Run, inputs: list[object]) -> None:
    told(tagger("check", *inputs, "--column", "colour=baseColour"), 2, "--column", "colour")


def test_a_column_that_is_not_a_pair(tagger: Run, inputs: list[object]) -> None:
    told(tagger("check", *inputs, "--column", "articleType"), 2, "--column")


def test_an_unknown_config_key(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("min_item: 5\n")
    told(tagger("check", *inputs, "--config", tmp_path / "c.yaml"), 2, "unknown key 'min_item'", "c.yaml")


@pytest.mark.parametrize(("text", "word"), [("[1, 2", "not YAML"), ("just text", "holds no keys")])
def test_a_config_that_is_none(tagger: Run, inputs: list[object], tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    told(tagger("check", *inputs, "--config", tmp_path / "c.yaml"), 2, word)


def test_a_config_that_is_not_there(tagger: Run, inputs: list[object]) -> None:
    told(tagger("check", *inputs, "--config", "/nowhere.yaml"), 2, "/nowhere.yaml")


def test_a_value_of_the_wrong_kind_names_its_flag(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    told(tagger("train", *inputs, "--out", tmp_path, "--image-size", "huge"), 2, "--image-size", "HEIGHTxWIDTH")
    told(tagger("check", *inputs, "--min-items", "many"), 2, "--min-items")


def test_a_missing_flag_is_named(tagger: Run) -> None:
    told(tagger("tag", "--manifest", "x"), 2, "--model is missing", "--out is missing")


def test_flags_win_over_the_config_file(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"images: /nowhere\nmanifest: {inputs[1]}\nmin_items: 7\nsample: 5\n")
    outcome = tagger("check", "--images", inputs[3], "--config", tmp_path / "c.yaml", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["imagesChecked"] == 5


def test_a_bundle_that_is_none(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    (tmp_path / "not-a-bundle").mkdir()
    told(tagger("tag", *inputs, "--model", tmp_path / "nothing", "--out", tmp_path / "r"), 2, "there is no bundle")
    told(tagger("tag", *inputs, "--model", tmp_path / "not-a-bundle", "--out", tmp_path / "r"), 3, "is not a bundle")
    assert not (tmp_path / "r").exists()


def test_a_manifest_without_labels_to_train_on(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\n10001\n10002\n")
    outcome = tagger("train", "--manifest", tmp_path / "m.csv", "--images", drawn.images, "--out", tmp_path / "b")
    told(outcome, 3, "no column 'masterCategory' and no column 'articleType'", "--column")


def test_too_few_labels_to_train_on(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    told(tagger("train", *inputs, "--out", tmp_path / "b", "--min-items", 1000), 3, "--min-items 1000", "lower it")
    again = tagger("train", *inputs, "--out", tmp_path / "b", "--min-items", 900)
    told(again, 3, "--min-items 900")  # the first attempt must not stand in the way of the corrected one


def test_a_failed_attempt_to_tag_does_not_stand_in_the_way(
    tagger: Run, inputs: list[object], bundle_dir: Path, tmp_path: Path
) -> None:
    common = ["tag", *inputs[:2], "--model", bundle_dir, "--out", tmp_path / "r", "--images"]
    told(tagger(*common, f"{inputs[3]}/{{colour}}.jpg"), 2, "no column 'colour'")
    told(tagger(*common, f"{inputs[3]}/{{size}}.jpg"), 2, "no column 'size'")


def test_an_output_that_cannot_be_written(tagger: Run, inputs: list[object], bundle_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file/out"
    told(tagger("tag", *inputs, "--model", bundle_dir, "--out", out), 2, "--out: cannot write to")
    told(tagger("train", *inputs, "--out", out), 2, "--out: cannot write to")


def test_an_output_folder_that_holds_something_else(
    tagger: Run, inputs: list[object], bundle_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "holiday.txt").write_text("")
    told(tagger("tag", *inputs, "--model", bundle_dir, "--out", tmp_path), 2, "not empty and holds no run")


def test_an_output_that_is_a_file(tagger: Run, inputs: list[object], bundle_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told(tagger("tag", *inputs, "--model", bundle_dir, "--out", tmp_path / "file"), 2, "--out")


def test_an_s3_service_that_cannot_be_reached(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    told(tagger("check", *inputs, "--s3-endpoint", "minio:9000"), 2, "--s3-endpoint", "http://")
    told(tagger("check", "--manifest", "s3:///x", "--images", inputs[3]), 2, "names no bucket")


def test_a_demo_deletes_nothing_but_demos(tagger: Run, tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("")
    told(tagger("demo", "--out", tmp_path), 2, "holds something else")
    assert (tmp_path / "holiday.txt").exists()


def test_labels_with_brackets_are_shown_as_they_are(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    rows = ["id,masterCategory,articleType", "10001,Sale [/2024],Tops [women]", "10002,Apparel,Tops [women]"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    outcome = tagger("check", "--manifest", tmp_path / "m.csv", "--images", drawn.images)
    assert outcome.code == 0, outcome.err
    assert "Sale [/2024] 1" in outcome.out
    assert "Tops [women]" in outcome.out


def test_numbers_in_a_config_file_count_as_flags_do(tagger: Run, tmp_path: Path) -> None:
    config = "manifest: m\nmodel: b\nout: o\nmax_failed: 100\naccept_above: yes\n"
    (tmp_path / "c.yaml").write_text(config)
    told(tagger("tag", "--config", tmp_path / "c.yaml"), 2, "accept_above", "no number")
    (tmp_path / "c.yaml").write_text("out: 2024-13-45\n")
    told(tagger("tag", "--config", tmp_path / "c.yaml"), 2, "not YAML")


def test_pairs_in_a_flag_add_to_those_in_the_file(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("sku,kind,group\n10001,Tops,Apparel\n")
    (tmp_path / "c.yaml").write_text(f"manifest: {tmp_path}/m.csv\nimages: {drawn.images}\ncolumn: {{id: sku}}\n")
    flags = ["--column", "masterCategory=group", "--column", "articleType=kind", "--json"]
    found = json.loads(tagger("check", "--config", tmp_path / "c.yaml", *flags).out)
    assert found["leaves"] == [{"masterCategory": "Apparel", "articleType": "Tops", "items": 1}]


def test_a_run_that_is_none(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    arguments = ["--manifest", drawn.manifest, "--out", tmp_path / "e"]
    told(tagger("evaluate", "--run", tmp_path / "no", *arguments), 2, "there is no run")
    told(tagger("evaluate", "--run", tmp_path, *arguments), 3, "not a finished run")


def test_unreachable_weights_and_unknown_backbones(tagger: Run, inputs: list[object], tmp_path: Path) -> None:
    common = [*inputs, "--out", tmp_path / "b", "--min-items", 8]
    told(tagger("train", *common, "--backbone", "resnet19"), 2, "--backbone", "resnet19")
    told(tagger("train", *common, "--weights", "file:/no.pth"), 2, "--weights", "/no.pth")


@pytest.mark.slow
def test_a_cluster_that_is_not_there(inputs: list[object], bundle_dir: Path, tmp_path: Path) -> None:
    """In a process of its own: where Ray runs already, it is used."""
    common = ["tag", *inputs, "--model", bundle_dir, "--out", tmp_path / "r", "--ray-address", "127.0.0.1:9"]
    command = [sys.executable, "-m", "tagger.jobs.shell.cli", *map(str, common)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    told(Outcome(done.returncode, done.stdout, done.stderr), 2, "--ray-address 127.0.0.1:9")


@pytest.mark.usefixtures("embedded_ray")
def test_a_gpu_that_is_not_there(tagger: Run, inputs: list[object], bundle_dir: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    told(tagger("tag", *inputs, "--model", bundle_dir, "--out", tmp_path / "r", "--device", "cuda"), 2, "no GPU")


def test_check_says_when_a_catalogue_is_unusable(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id\nx1\nx2\n")
    outcome = tagger("check", "--manifest", tmp_path / "m.csv", "--images", drawn.images)
    assert outcome.code == 3
    assert "not one image can be used" in outcome.err


def test_check_names_what_is_wrong_and_adds_up(tagger: Run, inputs: list[object], drawn: Drawn) -> None:
    outcome = tagger("check", *inputs, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["rows"] == drawn.items + 2
    assert found["items"] == drawn.items == found["labelled"] + found["unlabelled"]
    assert found["repaired"] == {"extra_fields_joined": 1}
    assert found["rejected"] == {"blank_id": 1, "duplicate_id": 1}
    examples = {code: [e["id"] for e in examples] for code, examples in found["imageErrorExamples"].items()}
    assert examples == {"not_found": drawn.missing, "truncated": drawn.truncated}
    assert found["imagesUsable"] == drawn.items - 2


def test_check_names_article_types_under_two_master_categories(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    rows = ["id,masterCategory,articleType", "10001,Apparel,Socks", "10002,Accessories,Socks", "10003,Apparel,Tshirts"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    common = ["check", "--manifest", tmp_path / "m.csv", "--images", drawn.images, "--min-items", 1, "--json"]
    assert json.loads(tagger(*common).out)["ambiguousTypes"] == {"Socks": {"Apparel": 1, "Accessories": 1}}
    merged = json.loads(tagger(*common, "--merge", "Accessories=Apparel").out)
    assert merged["ambiguousTypes"] == {}
    text = tagger(*common[:-1]).out
    assert "Socks" in text
    assert "Apparel 1, Accessories 1" in text
