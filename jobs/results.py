"""The results command: trains and measures several recipes on a catalogue, and writes a table."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_on_catalogue
from tagger.schemas.configs.train import ResultsConfig
from tagger.workflows.results import RecipeResults, compare_recipes
from tagger.workflows.results_page import for_display, seeds_in_words


def run(config: ResultsConfig, console: Console) -> int:
    """Train each recipe with each seed, average some, and write the table; a repeated command resumes."""
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


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="results")
