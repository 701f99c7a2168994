"""Bulk tagging: what turns a shard into its part, the workers on Ray around it, and the run directory that they fill."""
