"""Bulk tagging: what turns a shard into its part, and the workers on Ray around it."""
