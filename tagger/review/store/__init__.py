"""What waits for a person, who has it, and what was decided: in SQLite or PostgreSQL."""
