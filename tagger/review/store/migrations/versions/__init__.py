"""One step a file, from one version of the schema to the next."""
