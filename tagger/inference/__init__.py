"""Bulk tagging: what turns a shard into its part, the workers on Ray around it, the run directory that they fill."""
