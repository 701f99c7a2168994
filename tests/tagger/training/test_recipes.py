from pathlib import Path

import pytest

from tagger.errors import UsageError
from tagger.jobs.shell.build_config import build_config
from tagger.models import backbones
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.train import TrainConfig
from tagger.training import recipes, spaces

GIVEN = {"manifest": "m", "images": "i", "out": "o"}


def in_python(**settings: object) -> TrainConfig:
    return TrainConfig(**GIVEN, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_says_what_it_is_and_names_a_model_that_there_is(name: str) -> None:
    recipe = recipes.load(name)
    config = build_config(TrainConfig, None, {**GIVEN, "recipe": name})
    assert len(recipe.description) > 20
    assert recipe.text.startswith("# ")
    assert config.backbone in backbones.names()
    assert config.model_dump(include=set(recipe.settings)) == Learning.model_validate(recipe.settings).model_dump(
        include=set(recipe.settings)
    )


def test_the_standard_recipe_is_what_training_does_by_itself() -> None:
    settings = recipes.load("standard").settings
    assert settings == {name: getattr(Learning(), name) for name in settings}
    assert len(settings) >= 18, "it says the most of it"


def test_flags_win_over_a_file_and_a_file_over_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("recipe: cnn-2conv\nepochs: 3\nlr: 0.5\n")
    config = build_config(TrainConfig, tmp_path / "c.yaml", {**GIVEN, "lr": "0.25"})
    assert (config.backbone, config.epochs, config.lr, config.head_lr) == ("cnn_2", 3, 0.25, 1e-3)
    other = build_config(TrainConfig, tmp_path / "c.yaml", {**GIVEN, "recipe": "fast"})
    assert (other.backbone, other.epochs, other.frozen_epochs) == ("mobilenet_v2", 3, 30)


def test_a_recipe_of_ones_own_is_a_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("description: ours\nbackbone: small_cnn\nweights: none\n")
    assert build_config(TrainConfig, None, {**GIVEN, "recipe": str(own)}).backbone == "small_cnn"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: red\n", "colour: .*number"),
        ("colours: 0.1\n", "unknown setting 'colours' .did you mean colour\\?"),
        ("- 1\n", "holds no settings"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        recipes.load(str(tmp_path / "r.yaml"))


def test_an_unknown_recipe_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--recipe slow: there is no such one; there are best, cnn-2conv, .*standard"):
        recipes.load("slow")
    with pytest.raises(UsageError, match="cannot be read"):
        recipes.load(str(tmp_path / "none.yaml"))


def test_a_space_whose_settings_stand_in_the_wrong_place_is_told_where_they_belong(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("recipe: fast\nlr: [0.1, 0.01]\n")
    with pytest.raises(UsageError, match=r"stand below `space:`.* lr stands beside it"):
        spaces.load(str(file))


def test_a_recipe_holds_in_python_as_on_the_command_line(tmp_path: Path) -> None:
    config = in_python(recipe="best")
    assert (config.image_size, config.epochs, config.erasing) == ("160x120", 10, 0.1)
    assert config == build_config(TrainConfig, None, {**GIVEN, "recipe": "best"})
    assert in_python(recipe="best", epochs=3).epochs == 3, "what is given wins"
    assert TrainConfig.model_validate(config.model_dump(mode="json")) == config
    own = tmp_path / "mine.yaml"
    own.write_text("backbone: small_cnn\nweights: none\n")
    assert in_python(recipe=str(own)).backbone == "small_cnn"
    with pytest.raises(ValueError, match="slow: there is no such one; there are best"):
        in_python(recipe="slow")


def test_pairs_of_a_flag_stand_beside_those_of_the_recipe() -> None:
    config = build_config(TrainConfig, None, {**GIVEN, "recipe": "cnn-3conv-adam", "merge": ["Toys=Free Items"]})
    assert config.merge == {"Home": "Free Items", "Sporting Goods": "Free Items", "Toys": "Free Items"}


def test_a_report_says_what_differs_from_the_recipe() -> None:
    assert recipes.in_words(in_python(recipe="fast")) == "fast"
    changed = in_python(backbone="small_cnn", lr=0.006)
    assert recipes.in_words(changed) == "standard, with backbone small_cnn, lr 0.006"
