"""One entry point per job; `jobs.shell.cli` is the `tagger` command."""
