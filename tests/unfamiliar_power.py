"""How well a bundle tells unfamiliar images on a real catalogue, and what its policy still accepts of them.

    python -m tests.unfamiliar_power --manifest styles.csv --images images --work DIR --recipe standard
        [--items 12000] [--target 0.99] [--set FIELD=VALUE ...] [--pictures FOLDER ...]

A bundle is trained on some of the items, drawn at random: the catalogue. Types with fewer than 50 of these are left out
of training, and it has seen nothing of types that are only among the other items. These others are tagged: how familiar
are those of learnt types, of types that were left out, and of types that it has never seen? Their tags are accepted by
a policy for --target of the article type, once with familiarity and once by a copy of the bundle without it. Then come
drawn pictures of other things, and the pictures of folders, cut into parts.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from sklearn.metrics import roc_auc_score

from tagger.evaluation.intervals import share
from tagger.flow.hash_order import hash_order
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.tagging.notebook import Tagger
from tests.strange_pictures import encoded, strange_pictures

_CHUNK = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", default="standard")
    parser.add_argument("--items", type=int, default=12000)
    parser.add_argument("--others", type=int, default=10**9, help="most of the other items that are tagged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--set", nargs="*", default=[], help="FIELD=VALUE of tagger train")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[], help="folders of pictures of other things")
    arguments = parser.parse_args()
    labels = _labels(arguments.manifest, arguments.images)
    order = np.argsort(hash_order(labels.index.tolist(), arguments.seed))
    catalogue = labels.iloc[order[: arguments.items]]
    others = labels.iloc[order[arguments.items :][: arguments.others]]
    bundle = _bundle(arguments, catalogue)
    without = _without(bundle)
    for folder in (bundle, without):
        target = f"articleType={arguments.target},masterCategory={arguments.target}"
        _tagger("policy", folder, "--target-precision", target)
    files = [str(arguments.images / f"{item}.jpg") for item in others.index]
    _report(bundle, others, _tagged(bundle, files), _tagged(without, files))
    for name, pictures in {**strange_pictures(), **{f.name: _parts(f) for f in arguments.pictures}}.items():
        tagged = Tagger.load(bundle).tag(pictures)
        found = tagged["reviewReasons"].map(lambda reasons: "unfamiliar" in reasons)
        accepted = [tags["decision"].eq("accept").mean() for tags in (tagged, Tagger.load(without).tag(pictures))]
        shares = f"unfamiliar {found.mean():.0%}, accepted {accepted[0]:.0%}, without {accepted[1]:.0%}"
        print(f"{name} ({len(pictures)}): {shares}")


def _parts(folder: Path) -> list[bytes]:
    """The pictures of a folder, and their quarters, in the shape of a catalogue's pictures."""
    parts = []
    for file in sorted(folder.iterdir()):
        image = Image.open(file).convert("RGB")
        width, height = image.size[0] // 2, image.size[1] // 2
        boxes = [(x, y, x + width, y + height) for x in (0, width) for y in (0, height)]
        parts += [encoded(ImageOps.fit(one, (240, 320))) for one in (image, *map(image.crop, boxes))]
    return parts


def _labels(manifest: Path, images: Path) -> pd.DataFrame:
    """The labels of the items that have an image, by id."""
    table = pd.read_csv(manifest, dtype=str, on_bad_lines="skip", keep_default_na=False).set_index("id")
    there = {file.stem for file in images.glob("*.jpg")}
    return table.loc[[item for item in table.index if item in there], ["masterCategory", "articleType"]]


def _bundle(arguments: argparse.Namespace, catalogue: pd.DataFrame) -> Path:
    arguments.work.mkdir(parents=True, exist_ok=True)
    manifest = arguments.work / "catalogue.csv"
    if not manifest.exists():
        catalogue.to_csv(manifest)
    flags = [part for setting in arguments.set for part in (f"--{setting.split('=')[0]}", setting.split("=", 1)[1])]
    out = arguments.work / "bundle"
    _tagger(
        "train", "--manifest", manifest, "--images", arguments.images, "--recipe", arguments.recipe, "--out", out,
        "--seed", arguments.seed, *flags,
    )  # fmt: skip
    return out


def _without(bundle: Path) -> Path:
    """A copy of the bundle that cannot tell unfamiliar images."""
    copy = bundle.with_name("bundle-without")
    shutil.copytree(bundle, copy, dirs_exist_ok=True)
    Bundle.load(Location(str(bundle))).changed(familiarity=None).save(Location(str(copy)))
    return copy


def _tagged(bundle: Path, files: Sequence[str]) -> pd.DataFrame:
    """The tags of files, kept beside the bundle."""
    model_id = json.loads((bundle / "bundle.json").read_text())["modelId"]
    kept = bundle.parent / f"tags-{model_id}-{len(files)}.parquet"
    if not kept.exists():
        model = Tagger.load(bundle)
        model.tag(files[:_CHUNK])  # chooses the engine
        parts = [model.tag(files[n : n + _CHUNK]) for n in range(0, len(files), _CHUNK)]
        columns = ["articleType", "articleTypeConfidence", "decision", "familiarity"]
        pd.concat(parts, ignore_index=True)[columns].to_parquet(kept)
    return pd.read_parquet(kept)


def _report(bundle: Path, others: pd.DataFrame, tags: pd.DataFrame, before: pd.DataFrame) -> None:
    card = Bundle.load(Location(str(bundle))).card
    learnt = set(card.taxonomy.index)
    left_out = {(leaf.master_category, leaf.article_type) for leaf in card.provenance.left_out}
    pairs = list(zip(others["masterCategory"], others["articleType"], strict=True))
    known = np.array([pair in learnt for pair in pairs])
    kinds = {
        "types that were left out": np.array([pair in left_out for pair in pairs]),
        "types never seen": np.array([pair not in left_out and pair not in learnt for pair in pairs]),
        "both": ~known,
    }
    right = tags["articleType"].to_numpy() == others["articleType"].to_numpy()
    print(f"{known.sum():,} items of {len(learnt)} learnt types: accuracy {right[known].mean():.2%}")
    print(f"card: {card.familiarity}")
    for name, table in (("with familiarity", tags), ("without", before)):
        accepted = table["decision"].eq("accept").to_numpy()
        precise = share(int((accepted & right)[known].sum()), int((accepted & known).sum()))
        everything = (accepted & right & known).sum() / accepted.sum()
        print(
            f"{name}: {accepted[known].mean():.1%} of the learnt types' accepted, {precise.value:.2%} right; of all "
            f"that is accepted, {everything:.2%}"
        )
    accepted, earlier = (table["decision"].eq("accept").to_numpy() for table in (tags, before))
    unfamiliar = tags["familiarity"].to_numpy() < (card.familiarity.below if card.familiarity else 0)
    print(f"learnt types: {unfamiliar[known].mean():.1%} unfamiliar")
    for name, chosen in kinds.items():
        if not chosen.any():
            continue
        scores = np.concatenate([tags["familiarity"][chosen], tags["familiarity"][known]])
        area = roc_auc_score(np.arange(len(scores)) < chosen.sum(), -scores)
        sure = 1 - before["articleTypeConfidence"]
        by_confidence = roc_auc_score(
            np.arange(len(scores)) < chosen.sum(), np.concatenate([sure[chosen], sure[known]])
        )
        print(
            f"{name}: {chosen.sum():,} items, AUROC {area:.3f} (confidence alone {by_confidence:.3f}), "
            f"{unfamiliar[chosen].mean():.1%} unfamiliar, accepted {accepted[chosen].mean():.2%} "
            f"({share(int(accepted[chosen].sum()), int(chosen.sum()))}), without {earlier[chosen].mean():.2%}"
        )


def _tagger(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "tagger.jobs.shell.cli", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
