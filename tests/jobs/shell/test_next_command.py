"""The line with which a command ends."""

from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.options import S3Options


def test_the_next_command_can_be_pasted_whatever_its_paths_hold() -> None:
    assert next_line(S3Options(), "review", "--run", "my runs/1") == "Next: tagger review --run 'my runs/1'"


def test_the_next_command_finds_the_same_bucket_and_names_it_once() -> None:
    config = S3Options(s3_endpoint="http://localhost:9000", s3_region="eu-1")
    expected = "Next: tagger apply s3://b/run --s3-endpoint http://localhost:9000 --s3-region eu-1"
    assert next_line(config, "apply", "s3://b/run") == expected
    assert next_line(config, *expected.removeprefix("Next: tagger ").split()) == expected
