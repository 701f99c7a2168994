"""One step per file, from one version of the schema to the next."""
