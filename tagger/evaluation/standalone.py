"""Templates of pages that are one HTML file without external resources."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from tagger.evaluation.shares import percent


def page_environment(package_file: str) -> Environment:
    """The templates beside a module; texts are escaped, and names that a template does not know end in an error.

    Args:
        package_file: `__file__` of the module.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(package_file).parent / "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.globals["percent"] = percent
    return environment
