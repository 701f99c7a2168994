"""Detects a command that `ray job submit` or `tagger submit` started on a cluster."""

import os
from typing import TypeVar

from tagger.reporter import Reporter
from tagger.schemas.configs.options import RayOptions
from tagger.schemas.values import JobConfig

_JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets a variable of this name for the command of a submitted job, together with RAY_ADDRESS."""
EMBEDDED = "local"
Config = TypeVar("Config", bound=JobConfig)


def use_cluster_of_job(config: Config, reporter: Reporter) -> Config:
    """Set a config's Ray address to the cluster that the command was submitted to, unless it names one.

    A submitted job is meant to use the cluster; `--ray-address local` keeps it on the command's node.
    """
    if not isinstance(config, RayOptions):
        return config
    if config.ray_address == EMBEDDED:
        return config.model_copy(update={"ray_address": None})
    address = os.environ.get("RAY_ADDRESS")
    if config.ray_address or _JOB_VARIABLE not in os.environ or not address:
        return config
    reporter.step(
        f"This job was submitted to the Ray cluster at {address}, which does the work; --ray-address "
        f"{EMBEDDED} would keep it on this node"
    )
    return config.model_copy(update={"ray_address": address})
