"""A night as an Airflow DAG (Airflow 3): tag, then write the import files; a night without new items skips the rest."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

NOTHING = 99
"""What `--exit-if-nothing` makes of a night without items: these tasks are skipped, and so are those after them."""
RUN = "s3://shop/runs/{{ ds }}"

with DAG(
    dag_id="tagger_nightly",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={
        # 1 and a lost worker are worth another try, which goes on where the first one stopped. Airflow repeats the
        # others, too: of a run that is done, the same command only says so again.
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=6),
    },
) as dag:
    tag = BashOperator(
        task_id="tag",
        bash_command=f"tagger tag --config /etc/tagger/nightly.yaml --exit-if-nothing {NOTHING} --out {RUN}",
        skip_on_exit_code=NOTHING,
        append_env=True,
    )
    export = BashOperator(
        task_id="export",
        bash_command=(
            "tagger export s3://shop/runs/ --map /etc/tagger/map.yaml --current s3://shop/export/products.csv "
            "--out s3://shop/import/{{ ds }}"
        ),
        append_env=True,
        retries=0,
    )
    tag >> export
