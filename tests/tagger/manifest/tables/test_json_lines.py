from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagger.errors import InputError
from tests.builders import manifest_of, read_all


def items_of(tmp_path: Path, text: str | bytes, **options: object) -> tuple[list[dict[str, object]], list[object]]:
    file = tmp_path / "m.jsonl"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    items, rejects = read_all(manifest_of(file, **options))
    return items, [(r["line"], r["reason"], r["text"]) for r in rejects]


def test_rows_with_different_keys_have_the_columns_of_all(tmp_path: Path) -> None:
    late = "".join(f'{{"id": "{n}"}}\n' for n in range(9000)) + '{"masterCategory": "A", "id": "x", "new": true}\n'
    items, rejects = items_of(tmp_path, late)
    assert rejects == []
    assert len(items) == 9001
    assert items[0] == {"id": "0", "masterCategory": None, "new": None}
    assert items[-1] == {"id": "x", "masterCategory": "A", "new": "true"}


def test_numbers_are_exact_and_null_is_no_value(tmp_path: Path) -> None:
    big = 12345678901234567890123
    items, _ = items_of(tmp_path, f'{{"id": {big}, "p": 1.50, "q": null}}\n{{"id": 7, "p": 2, "q": NaN}}\n')
    assert items == [{"id": str(big), "p": "1.50", "q": None}, {"id": "7", "p": "2", "q": None}]


def test_nested_values_are_json_text(tmp_path: Path) -> None:
    items, _ = items_of(tmp_path, '{"id": 1, "n": {"a": [1.5, "é"]}, "l": [true]}\n')
    assert items == [{"id": "1", "n": '{"a": [1.5, "\\u00e9"]}', "l": "[true]"}]


def test_a_broken_line_is_one_reject_with_its_number_and_text(tmp_path: Path) -> None:
    text = '{"id": 1}\n\n{"id": 2\n[3]\n{"id": "\\u0000"}\n{"id": "\\ud800"}\n{"id": 6}\n'
    items, rejects = items_of(tmp_path, text)
    assert [i["id"] for i in items] == ["1", "6"]
    assert rejects == [
        (3, "broken_json", '{"id": 2'),
        (4, "broken_json", "[3]"),
        (5, "nul_byte", '{"id": "\\u0000"}'),
        (6, "broken_json", '{"id": "\\ud800"}'),
    ]


def test_a_first_line_that_is_broken_is_a_reject_too(tmp_path: Path) -> None:
    items, rejects = items_of(tmp_path, '{"id": 1\n{"id": 2}\n')
    assert [i["id"] for i in items] == ["2"]
    assert rejects == [(1, "broken_json", '{"id": 1')]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings_are_those_of_csv(tmp_path: Path, encoding: str) -> None:
    items, _ = items_of(tmp_path, '{"id": 1, "t": "Größe für Señor"}\r\n'.encode(encoding))
    assert items == [{"id": "1", "t": "Größe für Señor"}]


def test_a_table_without_an_id_names_its_keys(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'id'.*file_name, label"):
        items_of(tmp_path, '{"file_name": "1.jpg", "label": "x"}\n')


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_every_line_of_whatever_bytes_is_an_item_or_a_reject(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "m.jsonl"
    file.write_bytes(b'{"id": "first"}\n' + b"\n".join(lines))
    manifest = manifest_of(file)
    items, rejects = read_all(manifest)
    assert items[0]["id"] == "first"
    assert manifest.tally.rows == len(items) + len(rejects)
