"""What is known of a process that `ray job submit` or `tagger submit` started on a cluster."""

import os
from typing import TypeVar

from tagger.reporter import Reporter
from tagger.schemas.configs.options import RayOptions
from tagger.schemas.values import JobConfig

_IN_A_SUBMITTED_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets a variable of this very name for the command of a submitted job, and RAY_ADDRESS with it."""
INSIDE_THE_COMMAND = "local"
Config = TypeVar("Config", bound=JobConfig)


def on_the_cluster_of_this_job(config: Config, reporter: Reporter) -> Config:
    """A command's config, with the cluster that the command was submitted to where none is named.

    Who submits a job wants the cluster to do it; `--ray-address local` keeps it on the node of the command.
    """
    if not isinstance(config, RayOptions):
        return config
    if config.ray_address == INSIDE_THE_COMMAND:
        return config.model_copy(update={"ray_address": None})
    address = os.environ.get("RAY_ADDRESS")
    if config.ray_address or _IN_A_SUBMITTED_JOB not in os.environ or not address:
        return config
    reporter.step(
        f"This job was submitted to the Ray cluster at {address}, which does the work; --ray-address "
        f"{INSIDE_THE_COMMAND} would keep it on this node"
    )
    return config.model_copy(update={"ray_address": address})
