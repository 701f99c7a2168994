"""Tables come back as they were, in their order."""

import pyarrow as pa

from tagger.flow.table_spool import TableSpool


def test_tables_come_back_in_order_also_where_schemas_differ() -> None:
    plain = pa.table({"id": ["a", "b"]})
    required = plain.cast(pa.schema([pa.field("id", pa.string(), nullable=False)]))
    spool = TableSpool()
    for table in (plain, plain.slice(0, 0), required, required, plain):
        spool.append(table)
    assert [table.schema for table in spool.tables()] == [plain.schema, required.schema, required.schema, plain.schema]
    assert pa.concat_tables(spool.tables(), promote_options="default")["id"].to_pylist() == ["a", "b"] * 4
    spool.close()


def test_without_rows_there_is_no_file() -> None:
    spool = TableSpool()
    spool.append(pa.table({"id": pa.array([], pa.string())}))
    assert list(spool.tables()) == []
    assert spool._file is None
    spool.close()
