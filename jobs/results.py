"""The results command: trains and measures recipes on a catalogue, and writes a table, or puts one to the test."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_on_catalogue
from tagger.schemas.configs.train import ResultsConfig
from tagger.workflows.honest.measure import HonestResult, honest_figures
from tagger.workflows.honest.page import sections
from tagger.workflows.results import RecipeResults, compare_recipes
from tagger.workflows.results_page import for_display, seeds_in_words


def run(config: ResultsConfig, console: Console) -> int:
    """Train each recipe with each seed and average some, or train one on several splits; a repeated command resumes."""
    if config.honest:
        _show_honest(config, console, honest_figures(config, console))
    else:
        _show(config, console, compare_recipes(config, console))
    return 0


def _show(config: ResultsConfig, console: Console, results: RecipeResults) -> None:
    table = results.table
    title = f"{len(table):,} recipes, {seeds_in_words(config)}"
    shown = for_display(table)
    console.table(title, list(shown.columns), shown.to_numpy().tolist())
    console.say(f"Page: {results.page}")
    console.say(next_on_catalogue(config, "tag", "--model", str(results.best), "--out", f"{results.folder}-run"))
    console.result({"page": str(results.page), "device": results.device, "recipes": table.to_dict("records")})


def _show_honest(config: ResultsConfig, console: Console, result: HonestResult) -> None:
    for section in sections(result.figures):
        console.table(section.title, section.heads, section.rows)
        console.say(section.words)
    console.say(f"Page: {result.page}")
    run = f"{result.folder}-run"
    console.say(next_on_catalogue(config, "tag", "--model", str(result.bundle), "--out", run))
    facts = {"page": str(result.page), "recipe": result.recipe, "device": result.device}
    console.result(facts | result.figures.rows())


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="results")
