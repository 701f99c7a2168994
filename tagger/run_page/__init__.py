"""The page of a run for the person who answers for it: what came out, what is new, what waits."""
