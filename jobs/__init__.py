"""One entry point per job; `tagger.jobs.shell.cli` is the `tagger` command."""
