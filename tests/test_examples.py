"""The notebook of examples/, and examples in docstrings of public functions on what the notebook has made."""

import inspect
import re
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import tagger

NOTEBOOK = Path(__file__).parent.parent / "examples/tagger.ipynb"
_EXAMPLES = ("check", "evaluate", "apply")
_EXAMPLE = re.compile(r"^Example::\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)


@pytest.mark.docs
@pytest.mark.slow
def test_the_notebook_goes_from_a_drawn_catalogue_to_predictions_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells), "it has no outputs"
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "article types are right; report: index.html" in outputs
    assert "image/png" in outputs, "the least certain items are shown"
    monkeypatch.chdir(tmp_path / "demo")
    for name in _EXAMPLES:
        exec(_example_of(name), {})
    assert "of 320 images can be used" in capsys.readouterr().out
    assert (tmp_path / "demo/tags/_SUCCESS").exists()


def _example_of(name: str) -> str:
    """The example in a public function's docstring."""
    found = _EXAMPLE.search(f"{inspect.getdoc(getattr(tagger, name))}\n")
    assert found, f"{name} has no example"
    return textwrap.dedent(found[1])
