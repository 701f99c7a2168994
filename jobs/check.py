"""The check command: what a catalogue holds, what is wrong with it, and whether it can be learnt."""

from tagger.errors import InputError
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.outcome import DONE
from tagger.jobs.steps import check_report
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows import image_errors
from tagger.workflows.check import CheckResult, check
from tagger.workflows.prospect import Advice


def run(config: CheckConfig, console: Console) -> int:
    """Check every row and the images, and report what a training or a run would find."""
    result = check(config, console)
    check_report.show(config, console, result)
    console.result(_document(config, result))
    if result.problem:
        console.warn(result.problem)
        return InputError.exit_code
    return DONE


def _next(advice: Advice) -> str:
    learnt = advice.learns
    share = f"{100 * learnt.items / advice.labelled:.0f}% of the labelled items"
    return f"{advice.command} learns {learnt.leaves} of {advice.leaves} leaves ({share})"


def _document(config: CheckConfig, result: CheckResult) -> dict[str, object]:
    census, learnt, spellings = result.census, result.learnt, result.spellings
    return {
        "rows": census.rows,
        "further": census.further,
        "items": census.items,
        "repaired": dict(census.repairs),
        "rejected": dict(census.rejects),
        "rejectExamples": census.reject_examples,
        "labelled": sum(census.leaves.values()),
        "partlyLabelled": census.partly_labelled,
        "unlabelled": census.unlabelled,
        "missingColumns": result.why_unlabelled,
        "noValues": {role: dict(counts.most_common()) for role, counts in sorted(census.cells.no_values.items())},
        "mendedLabels": {role: dict(counts) for role, counts in sorted(census.cells.mended.items())},
        "spellings": {str(level): groups for level, groups in census.spelling_variants().items()},
        "lookAlikes": {str(level): groups for level, groups in census.look_alikes().items()},
        "mergedSpellings": {str(level): names for level, names in spellings.merged().items()} if spellings else None,
        "masterCategories": dict(census.labels[Level.MASTER_CATEGORY].most_common()),
        "articleTypes": dict(census.labels[Level.ARTICLE_TYPE].most_common()),
        "leaves": [{"masterCategory": m, "articleType": a, "items": n} for (m, a), n in census.leaves.most_common()],
        "leavesTooSmall": len(census.small_leaves(config.min_items)),
        "textColumns": [
            {"column": name, "items": column.items, "namesArticleType": column.named}
            for name, column in sorted(census.texts.counts.items())
        ],
        "valueColumns": [
            {
                "column": name,
                "values": len(column.values),
                "labelled": column.labelled,
                "unlabelled": column.unlabelled,
            }
            for name, column in census.values.worth_asking().items()
        ],
        "ambiguousTypes": census.ambiguous_types(),
        "itemsWithSeveralImages": census.with_several,
        "imagesChecked": census.images_checked,
        "imagesUsable": census.images_usable,
        "imageErrors": dict(census.failed.counts),
        "imageErrorExamples": image_errors.document(census.failed),
        "nearMisses": list(result.near_misses),
        "formats": dict(census.formats),
        "sizes": {name: {"width": w, "height": h} for name, (w, h) in census.size_quantiles().items()},
        "usable": result.problem is None,
        "trainable": learnt.problem is None,
        "whyNotTrainable": learnt.problem,
        "learnt": {"leaves": learnt.leaves, "items": learnt.items, "sides": learnt.sides},
        "next": _next(result.advice) if result.advice else None,
        "notices": list(result.notices),
    }


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="check")
