"""Bulk tagging: turning shards into parts, and the Ray workers that do it."""
