"""The run directory: staged shards, parts, the record, and what several runs hold together."""
