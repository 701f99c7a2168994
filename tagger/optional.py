"""Packages that some commands need and tagging and training do not, so that an environment may lack them."""

import shlex

EXTRAS = {
    "cpu": {"openvino": "openvino"},
    "similarity": {"faiss": "faiss-cpu"},
    "review": {
        "alembic": "alembic",
        "babel": "babel",
        "fastapi": "fastapi",
        "fluent": "fluent.runtime",
        "itsdangerous": "itsdangerous",
        "psycopg": "psycopg[binary]",
        "python_multipart": "python-multipart",
        "sqlalchemy": "SQLAlchemy",
        "starlette": "fastapi",
        "uvicorn": "uvicorn",
    },
}
"""By extra: modules, and the packages that bring them; an installation has them, and may leave them out."""
FURTHER = {
    "apprise": {"apprise": "apprise"},
    "mlflow": {"mlflow": "mlflow-skinny"},
    "openlineage": {"openlineage": "openlineage-python"},
}
"""The same of packages that only the extra brings."""


def what_to_install(error: ModuleNotFoundError) -> str | None:
    """A message of one line for a module that is optional; None for any other."""
    module = (error.name or "").partition(".")[0]
    for extra, packages in (EXTRAS | FURTHER).items():
        if module in packages:
            names = shlex.join(sorted(set(packages.values())))
            return f"this needs {module} of the extra {extra}, which is not installed here: pip install {names}"
    return None
