import pytest

from tagger.cluster.submitted import use_cluster_of_job
from tagger.reporter import LOG
from tagger.schemas.configs.options import RayOptions
from tagger.schemas.configs.train import RecipesConfig


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a command that Ray's job server started."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")


@pytest.mark.usefixtures("submitted")
def test_a_submitted_command_takes_its_cluster_unless_it_names_one() -> None:
    assert use_cluster_of_job(RayOptions(), LOG).ray_address == "10.0.0.1:6379"
    assert use_cluster_of_job(RayOptions(ray_address="auto"), LOG).ray_address == "auto"
    assert use_cluster_of_job(RayOptions(ray_address="local"), LOG).ray_address is None
    assert use_cluster_of_job(RecipesConfig(), LOG) == RecipesConfig()


def test_a_command_that_was_not_submitted_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert use_cluster_of_job(RayOptions(), LOG).ray_address is None
