"""What the bench job is made of, and the scripts that users write without this project, to be measured beside it."""
