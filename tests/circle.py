"""What reviews are worth: train, tag, answer the doubtful items from known labels, train again, compare.

    python -m tests.circle --manifest M --images S --out DIR [--recipe fast] [--weights file:PATH] [--answers 1000]

Of the labelled items, 60 % train as usual, 10 % are a control whose labels no command sees, and the rest is tagged.
The answers go through the review page's own forms, the least certain item first; beside it, as many labels of the same
rest are drawn at random. All three bundles then tag the control. Printed as a table in Markdown; the same command goes
on where it stopped.
"""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.flow.hash_order import hash_order
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.tables.decision import DECISION, Verdict
from tests.review_server import ReviewServer

_LABELLED, _CONTROL = 0.6, 0.7
_LABELS = ["masterCategory", "articleType"]


def main() -> None:
    """Do each step that is not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--min-items", default="50")
    parser.add_argument("--merge", action="append", default=[])
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    truth = _draw(asked)
    _train(asked, "before")
    _tag(asked, "before", "rest")
    answered = _review(asked, truth)
    _at_random(asked, truth, answered)
    _train(asked, "reviewed", "--decisions", str(asked.out / "before-rest"))
    _train(asked, "random", "--decisions", str(asked.out / "random.parquet"))
    print(f"| trained on | types known | {' | '.join(_LABELS)} | macro F1 of known types |\n|---|---|---|---|---|")
    named = {
        "before": "60% of the labels",
        "reviewed": f"and {answered:,} review decisions, the least certain items first",
        "random": f"and {answered:,} labels drawn at random",
    }
    for name, text in named.items():
        _tag(asked, name, "control")
        said = _evaluate(asked, name)
        print(f"| {text} | {_line(said, _types(asked, name))} |")


def _line(said: dict[str, Any], types: int) -> str:
    """The share of all control items whose class is right, be it one that the model knows or not."""
    levels = said["levels"]
    known = [levels[level]["items"] for level in _LABELS]
    right = [levels[level]["accuracy"] * items for level, items in zip(_LABELS, known, strict=True)]
    shares = [f"{100 * r / (k + said['outsideTaxonomy']):.2f}%" for r, k in zip(right, known, strict=True)]
    return " | ".join([str(types), *shares, f"{levels['articleType']['macroF1']:.4f}"])


def _types(asked: argparse.Namespace, name: str) -> int:
    card = Bundle.load(Location(str(asked.out / name))).card
    return len({leaf.articleType for leaf in card.taxonomy.leaves})


def _draw(asked: argparse.Namespace) -> pd.DataFrame:
    """Write the three manifests; return the labels of the rest, by id."""
    manifest = Manifest(Location(asked.manifest), ManifestFormat())
    items = pd.concat([batch.items.to_pandas() for batch in manifest.batches()], ignore_index=True)
    merge = dict(pair.split("=") for pair in asked.merge)
    items["masterCategory"] = items["masterCategory"].replace(merge)
    items = items.dropna(subset=_LABELS).set_index("id", drop=False)
    place = hash_order([f"circle {item}" for item in items.index], asked.seed) / 2.0**64
    labelled, control = place < _LABELLED, (place >= _LABELLED) & (place < _CONTROL)
    for name, chosen, with_labels in (
        ("labelled", labelled | ~control, labelled),
        ("rest", ~labelled & ~control, ~labelled & labelled),
        ("control", control, control & labelled),
        ("truth", control, control),
    ):
        file = asked.out / f"{name}.parquet"
        if not file.exists():  # a manifest that is written again is another one for the commands
            table = items[chosen].copy()
            table.loc[~with_labels[chosen], _LABELS] = None
            table.to_parquet(file, index=False)
    return items.loc[~labelled & ~control, _LABELS]


def _train(asked: argparse.Namespace, name: str, *more: str) -> None:
    merge = [word for pair in asked.merge for word in ("--merge", pair)]
    _tagger(
        "train", "--manifest", asked.out / "labelled.parquet", "--images", asked.images, "--recipe", asked.recipe,
        "--weights", asked.weights, "--min-items", asked.min_items, "--control", "0", *merge, "--out", asked.out / name,
        *more,
    )  # fmt: skip


def _tag(asked: argparse.Namespace, model: str, items: str) -> None:
    _tagger(
        "tag", "--manifest", asked.out / f"{items}.parquet", "--images", asked.images, "--model", asked.out / model,
        "--out", asked.out / f"{model}-{items}",
    )  # fmt: skip


def _review(asked: argparse.Namespace, truth: pd.DataFrame) -> int:
    """Answer the queue from the known labels through the page; return how many answers there are."""
    run = asked.out / "before-rest"
    with ReviewServer(run) as server:
        client = server.client()
        leaves = [tuple(pair) for pair in client.http.get("/leaves.json").json()]
        numbers = {pair: n for n, pair in enumerate(leaves)}
        by_item = truth.to_dict("index")
        client.open("/queue")
        count = int(client.http.get("/queue").text.split("<b>")[1].split("</b>")[0].replace(",", ""))
        while count < asked.answers and "/decision" in client.page:
            item = client.page.split('alt="Image of item ')[1].split('"')[0]
            master, article = (by_item[item][name] for name in _LABELS)
            csrf, leaf = client.field("csrf"), numbers.get((master, article))
            if leaf is None:  # a class that the labelled 60 % do not have, and the page does not know
                client.post(f"/items/{client.position}/skip", csrf=csrf)
                continue
            expected = client.field("expected")
            client.post(f"/items/{client.position}/decision", say=f"leaf:{leaf}", csrf=csrf, expected=expected)
            count += 1
        server.stop()
    return count


def _at_random(asked: argparse.Namespace, truth: pd.DataFrame, count: int) -> None:
    """Write as many labels, drawn at random."""
    chosen = truth.sample(count, random_state=asked.seed)
    rows = [
        {
            "id": item,
            "verdict": Verdict.ACCEPTED,
            **labels,
            "decidedBy": "drawn at random",
            "decidedAt": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for item, labels in chosen.to_dict("index").items()
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=DECISION), asked.out / "random.parquet")


def _evaluate(asked: argparse.Namespace, name: str) -> dict[str, Any]:
    said = _tagger(
        "evaluate", "--run", asked.out / f"{name}-control", "--manifest", asked.out / "truth.parquet", "--model",
        asked.out / name, "--out", asked.out / f"{name}-report", "--json",
    )  # fmt: skip
    found: dict[str, Any] = json.loads(said)
    return found


def _tagger(job: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"tagger.jobs.{job}", *(str(a) for a in arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
