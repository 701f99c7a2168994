"""The recipes command: lists the recipes, or prints one."""

from dataclasses import asdict

from tagger.jobs.shell.console import Console
from tagger.schemas.configs.train import RecipesConfig
from tagger.training import recipes


def run(config: RecipesConfig, console: Console) -> int:
    """List the recipes, or print the file of one."""
    if config.recipe:
        recipe = recipes.load(config.recipe)
        console.say(recipe.text.rstrip())
        console.result(asdict(recipe))
        return 0
    known = [recipes.load(name) for name in recipes.names()]
    console.table("Recipes", ["name", "what"], [(r.name, r.description) for r in known])
    console.say("Next: tagger train --recipe NAME --manifest … --images … --out BUNDLE")
    console.result({"recipes": [asdict(recipe) for recipe in known]})
    return 0


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="recipes")
