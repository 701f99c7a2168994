"""The run directory: staged shards, parts, the record, and the ledger of several runs."""
