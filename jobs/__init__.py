"""One entry point per job; `jobs.cli` is the `tagger` command."""
