"""The documentation does what it says: its commands run, its links lead somewhere, its reference is the code's."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import typer
import yaml

from scripts.cli_reference import all_commands
from scripts.reference import stale_pages
from tests.conftest import Outcome
from tests.documentation import ROOT, Block, Call, blocks, calls, pages, starts_with

SMALL = {
    "backbone": "small_cnn",
    "weights": "none",
    "image_size": "48x36",
    "epochs": 3,
    "early_epochs": 0,
    "frozen_epochs": 0,
    "head": "linear",
    "batch_size": 32,
    "lr": 6e-3,
    "head_lr": 6e-3,
    "min_items": 20,
}
"""What trainings of the pages are made small with: settings that a file gives, under whatever flags a page shows."""

USAGE_ERROR = cast(type[Exception], typer.BadParameter.__base__)  # click's, whose module differs between versions
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|(?:src|href)=\"(?P<attribute>[^\"]+)\"")


def is_read(page: Path) -> bool:
    return "reference" not in page.parts


def names(found: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in found]


def commands_of(page: Path) -> list[tuple[Block, Call]]:
    return [(block, call) for block in blocks(page) for call in calls(block)]


WITH_COMMANDS = [page for page in pages() if is_read(page) and any(b.is_run for b, _ in commands_of(page))]


def lay_out(demo_out: Path, folder: Path, things: list[str]) -> None:
    """Put copies of the demo's catalogue, bundle and run where a page expects them."""
    sources = {"styles.csv": "catalogue/styles.csv", "images": "catalogue/images", "bundle": "bundle", "run-1": "run"}
    for name in things:
        source = demo_out / sources[name]
        if source.is_dir():
            shutil.copytree(source, folder / name, copy_function=os.link if name == "images" else shutil.copy2)
        else:
            shutil.copy2(source, folder / name)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))


def made_small(call: Call) -> list[str]:
    """The words of a command, and for a training what makes it one of seconds."""
    if call.words[0] == "train" and "--config" not in call.words:
        return [*call.words, "--config", "small.yaml"]
    if call.words[0] in ("tune", "results"):
        return [*call.words, *(f"--set={key}={value}" for key, value in SMALL.items() if key != "min_items")]
    return call.words


@pytest.mark.docs
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=names(WITH_COMMANDS))
def test_every_command_of_a_page_runs_in_the_order_of_the_page(
    page: Path,
    demo_out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tagger: Callable[..., Outcome],
) -> None:
    lay_out(demo_out, tmp_path, starts_with(page))
    monkeypatch.chdir(tmp_path)
    names_of_python: dict[str, object] = {}
    for block in blocks(page):
        if not block.is_run:
            continue
        if block.language == "python":
            exec(compile(block.text, f"{page}:{block.line}", "exec"), names_of_python)
        if block.language == "yaml" and "title" in block.options:
            Path(block.options["title"]).write_text(block.text + "\n")
        for call in calls(block):
            done = tagger(*made_small(call))
            expected = int(block.options.get("exit", "0"))
            assert done.code == expected, f"{page.name}:{call.line}: {' '.join(call.words)}\n{done.err}"
            if call.into:
                Path(call.into).write_text(done.out)


@pytest.mark.parametrize("page", pages(), ids=names(pages()))
def test_every_command_of_a_page_exists_with_its_flags(page: Path) -> None:
    commands = all_commands()
    for _, call in commands_of(page):
        name, *arguments = call.words
        where = f"{page.name}:{call.line}: tagger {' '.join(call.words)}"
        if name.startswith("-"):
            continue
        assert name in commands, where
        if "--help" in arguments or "-h" in arguments:
            continue
        try:
            commands[name].make_context(name, list(arguments))
        except USAGE_ERROR as error:
            pytest.fail(f"{where}: {error}")


def test_a_fence_that_is_not_run_says_why() -> None:
    silent = [
        f"{page.name}:{block.line}"
        for page in pages()
        for block in blocks(page)
        if not block.is_run and len(block.options["not_run"]) < 5
    ]
    assert not silent


@pytest.mark.parametrize("page", pages(), ids=names(pages()))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for match in _LINK.finditer(text):
        target = (match["target"] or match["attribute"]).partition("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_reference_is_as_the_code_is() -> None:
    assert not names(list(stale_pages())), "run `make reference`"


def test_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    there = {str(page.relative_to(ROOT / "docs")) for page in pages() if page.name != "README.md"}
    assert there == listed - {"about/changelog.md"}
