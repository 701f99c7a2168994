"""The demo command: draws a small catalogue, then does with it what a user does with a real one."""

import shutil
import time
from pathlib import Path

import yaml

from tagger.cluster.session import ray_session
from tagger.demo.drawn_catalogue import Drawn, draw_catalogue
from tagger.errors import TaggerError, UsageError
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.outcome import DONE, ERROR_LOG, TOO_MANY_FAILED
from tagger.jobs.steps import check_report, tag_report
from tagger.models.bundle import Bundle
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.configs.demo import DemoConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.configs.train import TrainConfig
from tagger.schemas.tables.prediction import ErrorCode, ReviewReason
from tagger.workflows.check import check
from tagger.workflows.tag import tag
from tagger.workflows.train import train

_RECIPE = "recipe.yaml"
_SETTINGS = {
    "description": "a small network from scratch, for the drawn catalogue",
    "backbone": "small_cnn",
    "weights": "none",
    "image_size": "64x48",
    "min_items": 20,
    "batch_size": 32,
    "lr": 6e-3,
    "head_lr": 6e-3,
    "patience": 0,
}


def run(config: DemoConfig, console: Console) -> int:
    """Draw, check, train, tag, and account for every oddity that was drawn."""
    started = time.monotonic()
    out = Path(config.out).absolute()
    bundle, run_dir = out / "bundle", out / "run"
    _clear(out)
    console.step(f"Drawing {config.items} items into {out / 'catalogue'}")
    drawn = draw_catalogue(out / "catalogue", config.items, config.seed)
    manifest, images = str(drawn.manifest), f"{drawn.images}/{{id}}_{{n}}.jpg"

    checking = CheckConfig(manifest=manifest, images=images, min_items=20)
    check_report.show(checking, console, check(checking, console), show_next=False)
    with ray_session(config, with_data=True):
        result = train(_training(config, manifest, images, bundle), console)
        console.metrics(f"Test metrics of {result.card.model_id}", result.metrics)
        tagging = TagConfig(manifest=manifest, images=images, model=str(bundle), out=str(run_dir), device=config.device)
        tagged = tag(tagging, console)
        tag_report.show(tagging, console, tagged, show_next=False)
    facts = _account(drawn, Location(str(run_dir)))
    _show(console, drawn, facts, out, time.monotonic() - started)
    metrics = Bundle.load(Location(str(bundle))).card.metrics[0]
    console.result({"out": str(out), "test": metrics.model_dump(mode="json", by_alias=True), "oddities": facts})
    return TOO_MANY_FAILED if tagged.too_many else DONE


def _clear(out: Path) -> None:
    """Delete the output of an earlier demo. Raises UsageError when the folder holds something else."""
    names = {"catalogue", "bundle", "run", _RECIPE, ERROR_LOG}
    if out.exists() and (not out.is_dir() or any(p.name not in names for p in out.iterdir())):
        raise UsageError(f"--out: {out} holds something else than a demo; name a new folder")
    for file in (_RECIPE, ERROR_LOG):
        (out / file).unlink(missing_ok=True)
    for name in names:
        shutil.rmtree(out / name, ignore_errors=True)


def _training(config: DemoConfig, manifest: str, images: str, bundle: Path) -> TrainConfig:
    """The demo's training; writes its recipe beside the bundle."""
    recipe = bundle.parent / _RECIPE
    recipe.write_text(yaml.safe_dump({**_SETTINGS, "epochs": config.epochs}, sort_keys=False), encoding="utf-8")
    return TrainConfig(
        manifest=manifest,
        images=images,
        out=str(bundle),
        recipe=str(recipe),
        seed=config.seed,
        device=config.device,
    )


def _account(drawn: Drawn, run_dir: Location) -> dict[str, str]:
    """Report where every drawn oddity went. Raises TaggerError when one is not where it belongs."""
    directory = RunDirectory(run_dir)
    record = directory.record()
    table = directory.read(["id", "decision", "errorCode", "reviewReasons"]).to_pandas().set_index("id")
    reasons = record.counts.reject_reasons if record else {}
    facts = {
        f"row with a comma in its title ({drawn.ragged[0]})": "repaired" if record and record.counts.repaired else "",
        f"missing image ({drawn.missing[0]})": table.loc[drawn.missing[0], "errorCode"],
        f"truncated image ({drawn.truncated[0]})": table.loc[drawn.truncated[0], "errorCode"],
        f"blurry image ({drawn.blurry[0]})": ", ".join(table.loc[drawn.blurry[0], "reviewReasons"]),
        "row with a blank id": "rejected" if reasons.get("blank_id") == drawn.blank_ids else "",
        "row with a repeated id": "rejected" if reasons.get("duplicate_id") == drawn.duplicate_ids else "",
    }
    expected = ["repaired", ErrorCode.NOT_FOUND, ErrorCode.TRUNCATED, ReviewReason.BLURRY_IMAGE, "rejected", "rejected"]
    for (name, value), want in zip(facts.items(), expected, strict=True):
        if str(want) not in str(value):
            raise TaggerError(f"demo: {name}: expected {want}, found {value or 'nothing'}")
    return facts


def _show(console: Console, drawn: Drawn, facts: dict[str, str], out: Path, seconds: float) -> None:
    directory = RunDirectory(Location(str(out / "run")))
    columns = ["id", "masterCategory", "articleType", "articleTypeConfidence", "decision", "reviewReasons", "errorCode"]
    odd = {*drawn.ragged, *drawn.missing, *drawn.truncated, *drawn.blurry}
    items = directory.read(columns).to_pylist()
    chosen = [r for r in items if r["id"] in odd] + [r for r in items if r["id"] not in odd][:8]
    rows = [
        [
            r["id"],
            f"{r['masterCategory']}, {r['articleType']}" if r["articleType"] else "",
            f"{r['articleTypeConfidence']:.3f}" if r["articleType"] else "",
            r["decision"],
            ", ".join(r["reviewReasons"]) or r["errorCode"],
        ]
        for r in chosen
    ]
    console.table("Some of the tags", ["id", "tag", "confidence", "decision", "why"], rows)
    console.table("What became of the oddities", ["oddity", "result"], list(facts.items()))
    console.say(f"Done in {seconds:.0f} s. Everything lies in {out}:")
    console.say(f"  catalogue    {drawn.manifest} and {drawn.images}")
    console.say(f"  model        {out / 'bundle'}")
    console.say(f"  report       {out / 'bundle/report/index.html'} (open it in a browser)")
    console.say(
        f"  tags         {out / 'run/predictions'} (Parquet; `tagger schema prediction --arrow` explains the columns)"
    )
    console.say("Next, with your own items:")
    console.say("  tagger check --manifest styles.csv --images images/")
    console.say("  tagger train --manifest styles.csv --images images/ --out bundle")
    console.say("  tagger tag   --manifest styles.csv --images images/ --model bundle --out run-1")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="demo")
