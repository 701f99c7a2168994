"""A refit runs in a process of its own, whose end is seen."""

import os
from dataclasses import replace

import pytest

from tagger.errors import TaggerError
from tagger.review.learning.head import HeadSettings
from tagger.review.learning.process import RefitProcess
from tagger.review.learning.refit import refit
from tests.tagger.review.learning.drawn import queue

pytestmark = pytest.mark.slow
_LONG_S = 120


def test_the_result_is_that_of_the_function_and_is_asked_for_without_waiting() -> None:
    request, _ = queue(spread=0.5)
    with RefitProcess(request) as process:
        assert process.pid != os.getpid()
        assert process.result() is None, "it has only just begun"
        result = process.result(_LONG_S)
        assert result is not None
        assert process.result() == result
    assert result.leaving == refit(request).leaving


def test_a_killed_refit_leaves_no_process_and_no_result() -> None:
    request, _ = queue()
    process = RefitProcess(request)
    pid = process.pid
    assert pid is not None
    process.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_refit_that_is_killed_from_outside_says_so() -> None:
    request, _ = queue()
    with RefitProcess(request) as process:
        assert process.pid is not None
        os.kill(process.pid, 9)
        with pytest.raises(TaggerError, match="exit code -9"):
            process.result(_LONG_S)


def test_an_error_in_the_process_is_the_callers() -> None:
    request, _ = queue()
    broken = replace(request, head=HeadSettings(seed=-1))
    with RefitProcess(broken) as process, pytest.raises(TaggerError, match="the refit failed: ValueError"):
        process.result(_LONG_S)
