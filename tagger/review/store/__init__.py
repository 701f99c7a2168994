"""The review's database: queue, claims, log and settings, in SQLite or PostgreSQL."""
