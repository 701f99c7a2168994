"""How the choice of an engine is told."""

from tagger.schemas.documents.run import EngineCheck
from tagger.tagging.engine_choice import in_words


def test_an_engine_that_is_passed_over_stands_in_brackets_behind_the_one_that_is_taken() -> None:
    reason = "agrees with float32 PyTorch on 99.02% of 512 images, 99.5% is required"
    chosen = EngineCheck(
        engine="openvino-cpu-float32", images=512, passed_over={"openvino-cpu-bfloat16": reason, "torch-x": "is new"}
    )
    assert in_words(chosen) == f"Engine: openvino-cpu-float32 (bfloat16 {reason}; torch-x is new)"


def test_an_engine_that_is_taken_at_once_is_named_alone() -> None:
    assert in_words(EngineCheck(engine="torch-cpu-float32")) == "Engine: torch-cpu-float32"


def test_an_engine_that_was_not_compiled_is_said_to_be_slower() -> None:
    check = EngineCheck(engine="torch-cuda-float16", compiled=False)
    assert in_words(check) == "Engine: torch-cuda-float16, not compiled and so slower"
    assert in_words(check.model_copy(update={"compiled": True})) == "Engine: torch-cuda-float16"
