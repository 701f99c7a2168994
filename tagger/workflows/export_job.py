"""What an export works on: the runs' tags, the map, the target, and what the PIM has."""

from collections.abc import Sequence
from dataclasses import dataclass

from tagger.errors import InputError, UsageError
from tagger.io.globs import is_glob, matching_files
from tagger.io.location import Location
from tagger.notices import Notices
from tagger.pim.fields import ARTICLE, MASTER, Field, as_proposals, fields_of
from tagger.pim.forms import form_of
from tagger.pim.forms.base import Form
from tagger.pim.map_file import read_map
from tagger.pim.state import State
from tagger.pim.targets import load_target
from tagger.pim.taxonomy_files import Taxonomy, read_taxonomies
from tagger.reporter import Reporter
from tagger.schemas.configs.export import ExportConfig
from tagger.schemas.configs.options import S3Options
from tagger.schemas.documents.export_map import ExportMap
from tagger.schemas.documents.target import Target
from tagger.workflows.final_tags import FinalTags
from tagger.workflows.open_catalog import resolve_location
from tagger.workflows.propose import Proposed

PROPOSAL = "-proposal"
"""Ends the name of a target in the records of what was proposed to it."""


@dataclass(frozen=True)
class ExportJob:
    """What an export works on."""

    config: ExportConfig
    reporter: Reporter
    name: str
    target: Target
    map: ExportMap
    fields: list[Field]
    form: Form
    tags: FinalTags
    taxonomy: Taxonomy
    notices: Notices
    proposed: Proposed | None

    @property
    def record_name(self) -> str:
        """The target's name in records of what was written."""
        return self.name + (PROPOSAL if self.is_proposal else "")

    @property
    def is_proposal(self) -> bool:
        """Whether values are proposed, and none is set."""
        return self.config.write_as == "proposal"

    @property
    def map_flag(self) -> str:
        """How messages name the map."""
        return f"--map {self.config.map}"


def open_job(config: ExportConfig, reporter: Reporter) -> ExportJob:
    """Open all that an export reads, but for the PIM's own export. Raises UsageError or InputError."""
    if config.map is None or config.out is None:
        raise UsageError("--map and --out are missing")
    notices = Notices()
    notices.listen(reporter.warn)
    export_map = read_map(resolve_location(config.map, config))
    name = config.to or export_map.target
    if name != export_map.target:
        raise UsageError(f"--to {name}: the map is for {export_map.target}; draft another one with --write-map")
    try:
        target = load_target(name)
    except LookupError:
        raise InputError(f"--map {config.map}: target: there is no {name!r}") from None
    flag = f"--map {config.map}"
    fields = fields_of(export_map, target, flag)
    if config.write_as == "proposal":
        fields = as_proposals(fields, target, flag)
    tags = FinalTags(resolve_location(config.run, config), config.database, config.no_value)
    proposed = Proposed(resolve_location(config.proposal, config), config.database) if config.proposal else None
    if proposed is not None:
        tags.decided = {**tags.decided, **proposed.decided}
    names = dict.fromkeys(n for f in fields for n in f.map.of if n not in (MASTER, ARTICLE))
    further = [n for n in names if n not in tags.attributes]
    if further and not config.current:
        raise UsageError(f"--map: of: {further[0]} is no tag of the run, so it has to be a column of --current")
    form = form_of(target, export_map, fields, further)
    taxonomy = read_taxonomies(files_of(config.taxonomy, config, "--taxonomy"), notices)
    return ExportJob(config, reporter, name, target, export_map, fields, form, tags, taxonomy, notices, proposed)


def files_of(names: Sequence[str], options: S3Options, flag: str) -> list[Location]:
    """The files that a flag names: files, folders or globs. Raises UsageError when one is not there."""
    found: list[Location] = []
    for name in names:
        location = resolve_location(name, options)
        if is_glob(location):
            files = matching_files(location)
        elif location.is_dir():
            files = location.files()
        else:
            files = [location] if location.exists() else []
        if not files:
            raise UsageError(f"{flag}: there is no file {location}")
        found += files
    return found


def state_of(job: ExportJob) -> State | None:
    """What the PIM has; None without its export. Raises InputError when that breaks its form."""
    files = files_of(job.config.current, job.config, "--current")
    if not files:
        return None
    job.reporter.step(f"Reading {', '.join(file.name for file in files)}")
    state = State(job.form.records(files, job.notices), job.fields, job.target.key)
    if not len(state):
        raise InputError(f"--current: {files[0]} has no product with an id in {job.map.id or job.form.key}")
    return state


def check_blind(job: ExportJob) -> None:
    """Raise UsageError where an export that does not know what the PIM has could hurt."""
    replacing = [f.heading for f in job.fields if f.is_list and f.form.writing == "replace"]
    grouped = [f.heading for f in job.fields if f.form.shape == "numbered"]
    needed = f"--current: the PIM's own export is needed: {job.target.title}"
    if job.target.carry:
        raise UsageError(f"{needed} needs {job.target.carry[0]} with each row")
    if replacing or grouped:
        raise UsageError(f"{needed} replaces all {(replacing or grouped)[0]} of a product by those of its row")
    if job.config.overwrite != "all":
        raise UsageError(
            f"{needed} may have values that a person gave. Without it, every value is replaced, which --overwrite all "
            "allows"
        )
    job.reporter.warn("without --current there is no undo, and nothing says what changes or is gone")
