"""What users write without this project, to be measured beside it; each runs in a process of its own."""
