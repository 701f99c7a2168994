"""Files: where they lie, who may write to them, and what is only for a while."""
