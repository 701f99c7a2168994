"""What MkDocs does besides: the changelog becomes a page, and a page that loads something from elsewhere is refused."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parent.parent
_FOR_TESTS = re.compile(r'^(?P<fence> *```\w+.*?) (?:not_run|exit)="[^"]*"', re.MULTILINE)
_FROM_ELSEWHERE = re.compile(r"""<(?:script|img|iframe|link[^>]+rel="(?:stylesheet|preconnect)")[^>]+"(?:https?:)?//""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add CHANGELOG.md, which lies outside `docs/`."""
    text = (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "about/changelog.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Take what fences say to the tests alone out of them; Markdown would take it for a mistake."""
    return _FOR_TESTS.sub(r"\g<fence>", markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse what a reader without a network would miss. Raises PluginError that names the page and the tag."""
    elsewhere = _FROM_ELSEWHERE.search(output)
    if elsewhere:
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {elsewhere[0]}")
    return output
