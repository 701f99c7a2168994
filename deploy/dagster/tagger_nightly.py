"""A night as a Dagster asset for each day: tag, then write the import files."""

import json
import subprocess

import dagster as dg

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="Europe/Berlin")
FINAL = {2, 3, 4, 5}
"""Exit codes that the same command would end with again: usage, input, too many failed, held."""


def tagger(context: dg.AssetExecutionContext, *words: str) -> dict[str, object]:
    """Run a command of tagger; return what it prints with --json."""
    done = subprocess.run(["tagger", *words, "--json"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 1:
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=300)
    if done.returncode:
        raise dg.Failure(f"tagger {words[0]} ended with {done.returncode}", allow_retries=done.returncode not in FINAL)
    result: dict[str, object] = json.loads(done.stdout)
    return result


@dg.asset(partitions_def=DAYS)
def tags(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The predictions of one night."""
    run = f"s3://shop/runs/{context.partition_key}"
    result = tagger(context, "tag", "--config", "/etc/tagger/nightly.yaml", "--out", run)
    return dg.MaterializeResult(metadata={"counts": dg.MetadataValue.json(result["counts"]), "run": run})


@dg.asset(partitions_def=DAYS, deps=[tags])
def import_files(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """What the PIM imports; held while the night's tags may be wrong."""
    out = f"s3://shop/import/{context.partition_key}"
    words = ["s3://shop/runs/", "--map", "/etc/tagger/map.yaml", "--current", "s3://shop/export/products.csv"]
    result = tagger(context, "export", *words, "--out", out)
    return dg.MaterializeResult(metadata={"out": out, "report": dg.MetadataValue.json(result)})


nightly = dg.define_asset_job("nightly", selection=[tags, import_files], partitions_def=DAYS)
defs = dg.Definitions(
    assets=[tags, import_files],
    jobs=[nightly],
    schedules=[dg.build_schedule_from_partitioned_job(nightly, hour_of_day=2)],
)
