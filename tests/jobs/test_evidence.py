"""Titles as a second witness: taught to a bundle, measured, and asked by the tag job."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tagger import Tagger, UsageError
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.bundle import LevelPolicy, Policy
from tagger.schemas.documents.run import EngineCheck
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
SURE = LevelPolicy(target_precision=0.9, accept_above=0.0, coverage=1, precision=1, at_least=0.9)


def test_titles_are_taught_measured_and_asked(tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    tag = ["tag", "--manifest", tmp_path / "shop.csv", "--images", drawn.images, "--model", bundle, "--out"]
    unknown = tagger(*tag, tmp_path / "early", "--evidence", "check")
    assert (unknown.code, "knows images alone; tagger evidence teaches it" in unknown.err) == (2, True)
    teach = ["evidence", bundle, "--manifest", tmp_path / "shop.csv", "--title", "title", "--json"]
    alone = tagger(*teach)
    assert alone.code == 0, alone.err
    found = json.loads(alone.out)
    assert found["items"] == (shop["split"] == "test").sum()
    by_title, without_its_type = (row for row in found["by"] if row["by"].startswith("title"))
    assert by_title["articleType"] > 75 > without_its_type["articleType"], "nothing else tells these types"
    with pytest.raises(UsageError, match="does not know what they say together with images"):
        Tagger.load(bundle).tag([drawn.images / f"{shop['id'][1]}.jpg"], titles=["a title"])
    untested = tagger(*tag, tmp_path / "early", "--evidence", "all")
    assert (untested.code, "tagger evidence BUNDLE --run RUN fits it" in untested.err) == (2, True)

    assert tagger(*tag, tmp_path / "plain").code == 0
    paired = tagger(*teach, "--run", tmp_path / "plain")
    assert paired.code == 0, paired.err
    figures = {row["by"]: row for row in json.loads(paired.out)["by"]}
    assert set(figures) == {"title", "title without its type", "image", "image+title", "image+title without its type"}
    said = json.loads(paired.out)
    assert said["caught"] <= min(said["wrong"], said["objected"])
    assert 0 <= said["titleSidesWithImage"] <= said["mistakes"] <= said["items"]
    assert figures["image+title"]["articleType"] > figures["image"]["articleType"] + 40, (
        "the images' weights are random"
    )

    shown = tagger(*(word for word in teach if word != "--json"), "--run", tmp_path / "plain", "--evidence", "kind")
    assert shown.out.splitlines()[-1].startswith(f"Next: tagger policy {bundle} --target-precision ")
    assert "words and 1 columns now" not in shown.out

    fused = tagger(*tag, tmp_path / "fused")
    assert fused.code == 0, fused.err
    assert "Tagging by image and title, kind (--evidence image: by images alone)" in fused.err
    by_image = pd.read_parquet(tmp_path / "plain/predictions").set_index("id")
    by_both = pd.read_parquet(tmp_path / "fused/predictions").set_index("id")
    true = shop.set_index("id")["articleType"]
    good = by_both["decision"] != "failed"
    assert (by_both["articleType"] == true)[good].mean() > 0.8
    first = by_both[by_both["articleType"].notna()]["alternatives"].map(lambda best: best[0]["confidence"])
    assert (first <= by_both.loc[first.index, "masterCategoryConfidence"] + 1e-5).all()
    untitled = shop["id"][0]
    both = by_image["imageArticleType"][good]
    assert both.equals(by_image["articleType"][good]) and both.equals(by_both["imageArticleType"][good])
    assert pd.isna(by_both.loc[untitled, "titleArticleType"])

    in_words = by_both["evidence"][good]
    has_kind = shop.set_index("id")["kind"][in_words.index] != "NA"
    expected = has_kind.map({True: "image+title+columns", False: "image+title"})
    expected[untitled] = "image+columns" if has_kind[untitled] else "image"
    assert in_words.equals(expected.rename("evidence"))
    assert_policies_are_fitted_to_what_tags(bundle, shop, by_both[good])
    assert "suggestedArticleType" in (bundle / "report/denied-labels.csv").read_text().splitlines()[0]
    assert_python_says_the_same(tmp_path, shop, drawn, by_both)

    twice = tagger(*teach, "--run", tmp_path / "fused")
    assert (twice.code, "name one of images alone" in twice.err) == (3, True)

    again = tagger(*tag, tmp_path / "more", "--evidence", "all", "--known", tmp_path / "plain", "--json")
    assert again.code == 0, again.err
    counts = json.loads(again.out)["counts"]
    assert counts["redecided"] == (in_words != "image").sum(), "the rest has its say"
    anew = pd.read_parquet(tmp_path / "more/predictions").set_index("id")
    own = ["imageUri", "taggedAt", "runId"]
    as_fused = by_both.loc[anew.index].drop(columns=own).astype(str)
    assert anew.drop(columns=own).astype(str).equals(as_fused), "to the last digit, without looking at images again"
    after = tagger(*tag, tmp_path / "none", "--evidence", "all", "--known", tmp_path / "fused", "--json")
    assert after.code in (0, 4), after.err
    assert json.loads(after.out)["counts"]["predictions"] == (~good).sum()


def assert_policies_are_fitted_to_what_tags(bundle: Path, shop: pd.DataFrame, tagged: pd.DataFrame) -> None:
    """Assert that the bundle's stored predictions of test items are those of a run."""
    of_test = tagged[tagged.index.isin(shop["id"][shop["split"] == "test"])]
    for evidence in ("image+title+columns", "image+title"):
        name = f"by-{evidence.replace('+', '-')}-items.parquet"
        stored = pd.read_parquet(bundle / "report" / name).set_index("id")
        of_kind = of_test[of_test["evidence"] == evidence]
        assert len(of_kind) > 5
        assert set(of_kind.index) <= set(stored.index), "an item that has more also counts for what has less"
        for level in Level:
            confidences = stored.loc[of_kind.index, f"{level}Confidence"]
            assert of_kind[f"{level}Confidence"].tolist() == confidences.tolist()


def assert_python_says_the_same(folder: Path, shop: pd.DataFrame, drawn: Drawn, tagged: pd.DataFrame) -> None:
    """Assert that `Tagger` predicts from images and titles what the run did."""
    record = json.loads((folder / "fused/run.json").read_text())
    model = Tagger.load(folder / "bundle", engine=EngineCheck.model_validate(record["engine"]))
    some = shop.iloc[:30]
    here = model.tag(
        [drawn.images / f"{item}.jpg" for item in some["id"]], some["id"], some["masterCategory"],
        titles=some["title"], columns={"kind": some["kind"]},
    ).set_index("id")  # fmt: skip
    same = [
        "articleType",
        "articleTypeConfidence",
        "alternatives",
        "decision",
        "evidence",
        "evidenceDigest",
        "imageArticleType",
        "titleArticleType",
        "titleArticleTypeConfidence",
    ]
    assert here[same].astype(str).equals(tagged.loc[here.index, same].astype(str)), "to the last digit"


def test_a_policy_for_image_and_title_is_applied_and_ends_with_its_title_model(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    tag = ["tag", "--manifest", tmp_path / "shop.csv", "--images", drawn.images, "--model", bundle, "--out"]
    teach = ["evidence", bundle, "--manifest", tmp_path / "shop.csv", "--title", "title"]
    assert tagger(*tag, tmp_path / "plain").code == 0
    assert tagger(*teach, "--run", tmp_path / "plain").code == 0
    assert (bundle / "report/by-image-title-items.parquet").exists()
    assert tagger(*tag, tmp_path / "strict", "--accept-above", 1).code == 0
    policy = Policy(probability=0.9, fitted_on=9, levels=dict.fromkeys(Level, SURE))
    Bundle.load(Location(str(bundle))).changed(policies={Evidence.IMAGE_AND_TITLE: policy}).save(Location(str(bundle)))
    wrong_run = tagger(*teach, "--run", tmp_path / "empty")
    assert wrong_run.code == 2
    assert Bundle.load(Location(str(bundle))).card.policies, "what was not taught anew drops nothing"

    promised = tagger(*tag, tmp_path / "promised", "--known", tmp_path / "strict")
    assert promised.code == 0, promised.err
    decided = pd.read_parquet(tmp_path / "promised/predictions").set_index("id")
    decided = decided[decided["evidence"] == "image+title"]
    conflicting = decided["reviewReasons"].map(lambda reasons: "taxonomy_conflict" in reasons)
    assert len(decided) > 200 > conflicting.sum()
    assert (decided.loc[~conflicting, "decision"] == "accept").all()

    assert tagger(*teach).code == 0
    assert Bundle.load(Location(str(bundle))).card.policies == {}, "they were fitted to another model"
    assert not (bundle / "report/by-image-title-items.parquet").exists()


def test_an_item_without_a_usable_image_is_tagged_by_its_title(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path
) -> None:
    bundle, night = tmp_path / "bundle", tmp_path / "night.csv"
    catalogue = ["--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    assert tagger("tag", *catalogue, "--model", bundle, "--out", tmp_path / "plain").code == 0
    teach = ["evidence", bundle, "--manifest", tmp_path / "shop.csv", "--title", "title", "--run", tmp_path / "plain"]
    taught = tagger(*teach, "--evidence", "kind")
    assert taught.code == 0, taught.err
    named = shop.iloc[1]["articleType"]
    (tmp_path / "images").mkdir()
    (tmp_path / "images/broken.jpg").write_bytes(b"no image")
    kind = f"Kind {named[0]}"
    rows = [("gone", named, kind), ("broken", named, "NA"), ("mute", "zzz", kind), ("bare", "", "")]
    night.write_text("id,title,kind\n" + "".join(f"{item},{title},{cell}\n" for item, title, cell in rows))
    tag = ["tag", "--manifest", night, "--images", tmp_path / "images", "--model", bundle, "--out"]
    outcome = tagger(*tag, tmp_path / "run", "--accept-above", 0.3, "--json")
    assert (outcome.code, "4 of 4 items have no usable image" in outcome.err) == (4, True), outcome.err
    counts = json.loads(outcome.out)["counts"]
    assert (counts["decisions"], counts["errors"]) == ({"accept": 2, "failed": 2}, {"not_an_image": 1, "not_found": 3})
    tagged = pd.read_parquet(tmp_path / "run/predictions").set_index("id")
    assert tagged["evidence"].fillna("").tolist() == ["title+columns", "title", "", ""]
    sure = tagged["articleTypeConfidence"].to_numpy(float)
    assert sure[0] > sure[1], "what agrees makes surer"
    assert tagged["titleArticleType"].fillna("").tolist() == [named, named, "", ""]
    assert tagged["imageArticleType"].isna().all()
    assert tagged["errorCode"].tolist() == ["not_found", "not_an_image", "not_found", "not_found"]
    assert tagged.loc[["gone", "broken"], "articleType"].tolist() == [named] * 2
    assert tagged["blurScore"].isna().all()
    assert tagged["reviewReasons"].map(len).eq(0).all(), "what is accepted needs no person"

    unsure = tagger(*tag, tmp_path / "next", "--accept-above", 1, "--known", tmp_path / "run", "--max-failed", 9)
    assert unsure.code == 0, unsure.err
    assert "of these without a usable image" in unsure.out
    again = pd.read_parquet(tmp_path / "next/predictions").set_index("id")
    assert len(again) == 4, "their images may be there by now"
    assert again.loc["gone", "decision"] == "review"
    assert again["reviewReasons"].map(list)["gone"] == ["low_confidence", "no_image"]

    policy = Policy(probability=0.9, fitted_on=9, levels=dict.fromkeys(Level, SURE))
    promising = Bundle.load(Location(str(bundle))).changed(policy=policy)
    promising.save(Location(str(bundle)))
    uncovered = tagger(*tag, tmp_path / "uncovered", "--max-failed", 9)
    assert "The bundle's policy covers images alone, so what else items show is left out" in uncovered.err
    assert set(pd.read_parquet(tmp_path / "uncovered/predictions")["decision"]) == {"failed"}
    promising.changed(policy=None).save(Location(str(bundle)))

    night.write_text("id,name\ngone,Tshirt\n")
    untitled = tagger(*tag, tmp_path / "untitled", "--max-failed", 1)
    assert untitled.code == 0, untitled.err
    assert "does not have what the bundle knows beside images, title, kind: items are tagged by their" in untitled.err
    assert pd.read_parquet(tmp_path / "untitled/predictions")["decision"].tolist() == ["failed"]


def test_a_title_that_is_sure_of_another_type_sends_the_item_to_review(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    teach = ["evidence", bundle, "--manifest", tmp_path / "shop.csv", "--title", "title"]
    taught = tagger(*teach)
    assert taught.code == 0, taught.err
    catalogue = f"--manifest {tmp_path / 'shop.csv'} --images …"
    assert taught.out.splitlines()[-1].startswith(f"Next: tagger tag {catalogue} --model {bundle} --evidence check ")
    outcome = tagger(
        "tag", "--manifest", tmp_path / "shop.csv", "--images", drawn.images, "--model", bundle, "--out",
        tmp_path / "run", "--evidence", "check", "--accept-above", "0.01",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = pd.read_parquet(tmp_path / "run/predictions").set_index("id")
    objected = found["reviewReasons"].map(lambda reasons: "title_disagrees" in reasons)
    assert objected.sum() > 20, "the images' weights are random"
    assert (found.loc[objected, "decision"] == "review").all()
    named = shop.set_index("id")["named"]
    assert (found.loc[objected, "articleType"] != named[found.index[objected]]).all()
    assert not objected[shop["id"][0]], "it has no title"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--title": "name"}, "--title name: the manifest has no such column"),
        ({"--run": "{tmp}/nowhere"}, "there is no run"),
    ],
)
def test_what_cannot_be_taught_says_why(
    tagger: Run, shop: pd.DataFrame, tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    flags = {"--manifest": str(tmp_path / "shop.csv"), "--title": "title"} | changed
    given = [part.replace("{tmp}", str(tmp_path)) for flag in flags.items() for part in flag]
    outcome = tagger("evidence", tmp_path / "bundle", *given)
    assert outcome.code in (2, 3)
    assert words in outcome.err
    assert not (tmp_path / "bundle/evidence.safetensors").exists()
