import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.errors import InputError, UsageError
from tagger.manifest.tables.csv_rows import FIELD_LIMIT, BadRow, CsvRows, Row
from tagger.notices import Notices
from tagger.schemas.tables.item import RejectReason, Repair

HEADER = "id,masterCategory,articleType,productDisplayName"


def rows_of(
    data: bytes | str, delimiter: str = "auto", encoding: str = "auto", text: bool = True
) -> list[Row | BadRow]:
    raw = data.encode() if isinstance(data, str) else data
    return list(CsvRows(io.BytesIO(raw), "test.csv", delimiter, encoding).rows(last_is_text=text))


def fields_of(data: bytes | str, **options: str) -> list[list[str]]:
    found = rows_of(data, **options)  # type: ignore[arg-type]
    assert all(isinstance(r, Row) for r in found), found
    return [r.fields for r in found if isinstance(r, Row)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiter_quoting_and_line_ends_are_found(delimiter: str, quoting: int, newline: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=newline)  # type: ignore[arg-type]
    writer.writerows([["id", "masterCategory", "articleType"], ["1", "Apparel", f"T{delimiter}shirts"], ["2", "", "x"]])
    assert fields_of(out.getvalue()) == [["1", "Apparel", f"T{delimiter}shirts"], ["2", "", "x"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_text_encodings_are_found(encoding: str) -> None:
    text = f"{HEADER}\n" + "7,Zubehör,Gürtel,Größe für Señor\n" * 3
    assert fields_of(text.encode(encoding))[2] == ["7", "Zubehör", "Gürtel", "Größe für Señor"]


def test_one_latin1_line_in_a_utf8_file_is_read() -> None:
    data = f"{HEADER}\n1,a,b,Größe\n".encode() + b"2,a,b,Gr\xf6\xdfe\n"
    assert [f[-1] for f in fields_of(data)] == ["Größe", "Größe"]


def test_gzip_is_read_by_its_content_and_a_cut_one_is_an_error(tmp_path: Path) -> None:
    whole = gzip.compress((f"{HEADER}\n" + "1,a,b,c\n" * 5000).encode())
    assert len(fields_of(whole)) == 5000
    with pytest.raises(InputError, match=r"test\.csv"):
        rows_of(whole[: len(whole) // 2])


def test_rows_that_the_named_encoding_does_not_have_are_rejects_and_one_notice_names_the_first() -> None:
    notices = Notices()
    data = f"{HEADER}\n".encode() + b"1,a,b,c\n" * 50_000 + b"2,a,b,\xff\xfe\n3,a,b,\xff\n4,a,b,c\n"
    found = list(CsvRows(io.BytesIO(data), "test.csv", "auto", "utf-8", notices).rows(last_is_text=True))
    assert [(r.line, r.reason) for r in found if isinstance(r, BadRow)] == [
        (50_002, RejectReason.UNDECODABLE),
        (50_003, RejectReason.UNDECODABLE),
    ]
    assert len(found) == 50_003
    (notice,) = notices.texts
    assert "test.csv, line 50002" in notice
    assert "--encoding" in notice


def test_a_header_or_a_name_that_is_no_encoding_is_an_error() -> None:
    with pytest.raises(InputError, match=r"test\.csv: cannot be read: its header"):
        rows_of(b"id,gr\xf6\xdfe\n1,2\n", encoding="utf-8")
    for name in ("klingon", "base64"):
        with pytest.raises(UsageError, match="no text encoding"):
            rows_of(HEADER, encoding=name)


def test_a_named_utf8_may_have_a_byte_order_mark() -> None:
    assert CsvRows(io.BytesIO("\ufeffid,a\n".encode()), "t", "auto", "utf-8").header == ["id", "a"]


def test_an_empty_file_has_no_header() -> None:
    with pytest.raises(InputError, match="empty"):
        rows_of(b"")


def test_extra_fields_at_the_end_belong_to_the_last_text_column() -> None:
    (row,) = rows_of(f"{HEADER}\n9,Apparel,Shirts,Boss Perfume, and more, really\n")
    assert isinstance(row, Row)
    assert row.fields == ["9", "Apparel", "Shirts", "Boss Perfume, and more, really"]
    assert row.repair is Repair.EXTRA_FIELDS_JOINED


def test_extra_fields_are_rejected_when_the_last_column_is_no_text() -> None:
    (row,) = rows_of("id,title,articleType\n9,Perfume, and more,Shirts\n", text=False)
    assert isinstance(row, BadRow)
    assert row.reason is RejectReason.TOO_MANY_FIELDS


def test_a_comma_further_left_is_noticed_and_the_row_rejected() -> None:
    good = "".join(f"{n},Red shirt {n},2012,Men\n" for n in range(30))
    found = rows_of(f"id,title,year,season text\n{good}31,Red shirt, and more,2012,Men\n")
    assert isinstance(found[-1], BadRow)
    assert found[-1].reason is RejectReason.TOO_MANY_FIELDS


@pytest.mark.parametrize("rows", [50, 600])
def test_a_comma_in_a_title_before_the_labels_makes_no_wrong_labels(rows: int) -> None:
    good = [f"{n},Red shirt {n},Apparel,Type{n % 40},Fall" for n in range(rows)]
    body = [*good[:10], "9001,Shirt, blue,Apparel,Type3,Fall", *good[10:]]
    found = rows_of("\n".join(["id,title,masterCategory,articleType,season", *body]) + "\n")
    assert [r.text for r in found if isinstance(r, BadRow)] == ["9001,Shirt, blue,Apparel,Type3,Fall"]
    assert [r.line for r in found] == list(range(2, rows + 3)), "rows keep their order while a ragged one waits"


def test_of_two_text_columns_it_is_not_sure_which_holds_the_comma() -> None:
    good = "".join(f"{n},Red shirt {n},A fine shirt {n}\n" for n in range(40))
    assert isinstance(rows_of(f"id,title,description\n{good}41,Red shirt, and more,fine\n")[-1], BadRow)


def test_a_rare_label_does_not_stand_against_a_comma_in_the_title() -> None:
    good = "".join(f"{n},Apparel,Type{n % 40},Red shirt {n}\n" for n in range(600))
    last = rows_of(f"{HEADER}\n{good}601,Apparel,Spacesuits,Red suit, and more\n")[-1]
    assert isinstance(last, Row)
    assert last.fields[2:] == ["Spacesuits", "Red suit, and more"]


def test_a_numeric_last_column_takes_no_text() -> None:
    good = "".join(f"{n},Red shirt,{n}.50\n" for n in range(30))
    assert isinstance(rows_of(f"id,title,price\n{good}31,Red shirt, and more,9.50\n")[-1], BadRow)


def test_empty_extra_fields_are_dropped() -> None:
    (row,) = rows_of("id,a,b\n1,x,y,,,\n")
    assert isinstance(row, Row)
    assert (row.fields, row.repair) == (["1", "x", "y"], Repair.EMPTY_FIELDS_DROPPED)


def test_too_few_fields_are_rejected_with_line_and_text() -> None:
    (good, bad) = rows_of(f"{HEADER}\n1,a,b,c\n2,a\n")
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.reason, bad.text) == (3, RejectReason.TOO_FEW_FIELDS, "2,a")


def test_a_quoted_field_may_hold_line_ends_and_quotes() -> None:
    assert fields_of('id,a,b\n1,"two\nlines",x\n2,"say ""hi""",y\n') == [
        ["1", "two\nlines", "x"],
        ["2", 'say "hi"', "y"],
    ]


def test_a_quote_inside_an_unquoted_field_means_nothing() -> None:
    assert fields_of(f'{HEADER}\n1,a,b,3.5" Short\n2,a,b,c\n')[0][-1] == '3.5" Short'


def test_an_unclosed_quote_costs_nothing_but_itself() -> None:
    body = "".join(f"{n},a,b,c\n" for n in range(2, 1000))
    found = rows_of(f'{HEADER}\n1,a,b,"never closed\n{body}')
    assert len(found) == 999
    assert isinstance(found[0], Row)
    assert found[0].repair is Repair.STRAY_QUOTE
    assert [r.line for r in found] == list(range(2, 1001))


def test_a_quoted_cell_whose_lines_look_like_rows_is_one_cell_and_that_is_said() -> None:
    notices = Notices()
    data = f'{HEADER}\n1,a,b,"open\n2,a,b,c\n3,a,b,close"\n4,a,b,c\n'.encode()
    found = list(CsvRows(io.BytesIO(data), "test.csv", "auto", "auto", notices).rows(last_is_text=True))
    assert [r.fields[0] for r in found if isinstance(r, Row)] == ["1", "4"]
    (notice,) = notices.texts
    assert "test.csv, line 2: a quoted cell takes 3 lines that look like rows" in notice


def test_two_unclosed_quotes_that_close_nothing_do_not_swallow_the_rows_between_them() -> None:
    found = rows_of(f'{HEADER}\n1,a,b,"open\n2,a,b,c\n3,a,"close,d\n4,a,b,c\n')
    assert [r.fields[0] for r in found if isinstance(r, Row)] == ["1", "2", "3", "4"]


def test_a_quote_that_closes_in_the_middle_of_a_field_is_rejected_when_it_cannot_be_mended() -> None:
    (row,) = rows_of('id,a,b\n1,"x"y\n')
    assert isinstance(row, BadRow)
    assert row.reason is RejectReason.BAD_QUOTING


def test_nul_bytes_and_endless_fields_are_rejected_and_the_rest_goes_on() -> None:
    found = rows_of(f"{HEADER}\n1,a,b,x\0y\n2,a,b,{'z' * (FIELD_LIMIT + 1)}\n3,a,b,c\n4,{'q' * 18 * 2**20}\n5,a,b,c\n")
    assert [r.reason for r in found if isinstance(r, BadRow)] == [
        RejectReason.NUL_BYTE,
        RejectReason.FIELD_TOO_LONG,
        RejectReason.FIELD_TOO_LONG,
    ]
    assert [r.fields[0] for r in found if isinstance(r, Row)] == ["3", "5"]


def test_blank_lines_are_no_rows() -> None:
    assert fields_of("id,a\n\n1,x\n\n\n2,y\n\n") == [["1", "x"], ["2", "y"]]


def test_header_names_are_made_unique() -> None:
    assert CsvRows(io.BytesIO(b"id, name ,name,\n"), "t", "auto", "auto").header == ["id", "name", "name_2", "column_4"]


# A lone quote is left out: a field such as `"` is quoted by the writer and survives; csv itself is the oracle here.
words = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(words, min_size=5, max_size=5), max_size=20),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_whatever_csv_writes_is_read_back(rows: list[list[str]], delimiter: str, encoding: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["id", "b", "c", "d", "e"], *rows])
    assert fields_of(out.getvalue().encode(encoding)) == rows


def test_nul_bytes_below_a_plain_header_do_not_make_it_utf_16() -> None:
    assert [type(r) for r in rows_of("id,b,c,d\n\0\n\0\n\0\n")] == [BadRow] * 3


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.sampled_from('ab,"\n\r\0;é '), max_size=30), max_size=30))
def test_no_line_of_whatever_text_is_lost(lines: list[str]) -> None:
    """Every line that is not blank ends up in exactly one row or reject."""
    body = "\n".join(lines)
    found = rows_of(f"id,b,c,d\n{body}")
    seen = "".join(r.text for r in found)
    assert sorted(c for c in seen if c not in "\r\n") == sorted(c for c in body if c not in "\r\n")


def test_a_quoted_cell_of_any_number_of_lines_is_one_cell() -> None:
    lines = "\n".join(f"<p>line {n}</p>" for n in range(260))
    tricky = "\n".join(["<p>a</p>"] * 230 + ["2,Apparel,Shirts,x"] + ["<p>b</p>"] * 20)
    for cell in (lines, tricky):
        found = rows_of(f'{HEADER}\n1,a,b,"{cell}"\n3,a,b,c\n')
        assert [r.fields for r in found if isinstance(r, Row)] == [["1", "a", "b", cell], ["3", "a", "b", "c"]]
        assert not any(r.repair for r in found if isinstance(r, Row))


def test_a_long_cell_is_read_and_the_csv_modules_own_limit_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = csv.field_size_limit()
    long = "x" * (before + 1000)
    assert fields_of(f'{HEADER}\n1,a,b,"{long}"\n2,a,b,{long}\n3,a,b,c\n')[:2] == [
        ["1", "a", "b", long],
        ["2", "a", "b", long],
    ]
    assert csv.field_size_limit() == before


def test_no_line_of_a_broken_cell_becomes_an_item() -> None:
    cell = '<p>5" wide</p>\n2,Apparel,Shirts,x\n<p>end</p>\n<p>of it</p>'
    (mended, after) = rows_of(f'{HEADER}\n1,a,b,"{cell}"\n3,a,b,c\n')
    assert isinstance(mended, Row)
    assert (mended.fields[3], mended.repair) == (cell, Repair.STRAY_QUOTE)
    assert isinstance(after, Row)
    (bad, _) = rows_of(f'{HEADER}\n1,a,"{cell}"\n3,a,b,c\n')
    assert isinstance(bad, BadRow)
    assert bad.text.count("\n") == 3
    too_many = rows_of(f'{HEADER}\n1,a,"x\n2,a,b,c\ny\nz",b,c,d\n3,a,b,c\n', text=False)
    assert [type(r) for r in too_many] == [BadRow, Row]


def test_spaces_before_quotes_are_read_and_no_quote_stays_in_a_name() -> None:
    found = rows_of(
        'id, "masterCategory", articleType\n1, "Apparel", "Tops, long"\n2, "a ""b""", "two\nlines"\n3, x, y\n'
    )
    assert [r.fields for r in found if isinstance(r, Row)] == [
        ["1", "Apparel", "Tops, long"],
        ["2", 'a "b"', "two\nlines"],
        ["3", " x", " y"],
    ]
    assert [r.repair for r in found if isinstance(r, Row)] == [Repair.SPACE_BEFORE_QUOTE] * 2 + [None]


def test_quotes_escaped_by_a_backslash_are_read_or_rejected_and_shift_nothing() -> None:
    rows = ['1,a,b,"5\\" heel, red"', '2,a,"Wo\\"men, Tops",x', '3,a,b,"a\\\\"', '4,"C:\\dir\\",b,c', '5,a,b,"6\\""']
    found = rows_of("\n".join([HEADER, *rows]) + "\n")
    assert [r.fields for r in found if isinstance(r, Row)] == [
        ["1", "a", "b", '5" heel, red'],
        ["2", "a", 'Wo"men, Tops', "x"],
        ["3", "a", "b", "a\\\\"],
        ["4", "C:\\dir\\", "b", "c"],
        ["5", "a", "b", '6"'],
    ]
    assert [r.repair for r in found if isinstance(r, Row)] == [
        Repair.BACKSLASH_QUOTE, Repair.BACKSLASH_QUOTE, None, None, Repair.BACKSLASH_QUOTE,
    ]  # fmt: skip


def test_stray_quotes_in_many_rows_cost_each_row_only() -> None:
    rows = "".join(f'{n},a,b,"Boss" perfume\n' for n in range(20_000))
    found = rows_of(f'{HEADER}\n{rows}x,a,b,"Tops, long"\n')
    assert len(found) == 20_001
    assert {r.repair for r in found[:-1] if isinstance(r, Row)} == {Repair.STRAY_QUOTE}


def test_a_line_that_names_the_delimiter_and_blank_lines_stand_above_the_header() -> None:
    assert fields_of("sep=;\nid;t\n1;a,b\n") == [["1", "a,b"]]
    assert fields_of("\n\nid,t\n1,a\n") == [["1", "a"]]


def test_a_guessed_encoding_is_said_once_with_the_flag() -> None:
    for encoding, word, text in [
        ("cp1252", "Windows-1252", "1,a,b,Größe für Señor\n"),
        ("cp1251", "Windows-1251", "1,Одежда,Платья,Чёрное платье в горошек\n"),
        ("gb18030", "gb18030", "1,服装,上衣,红色上衣\n"),
        ("utf-16-le", "UTF-16-LE", "1,a,b,Größe\n"),
    ]:
        notices = Notices()
        data = f"{HEADER}\n{text * 3}".encode(encoding)
        found = list(CsvRows(io.BytesIO(data), "test.csv", "auto", "auto", notices).rows(last_is_text=True))
        assert [",".join(r.fields) + "\n" for r in found if isinstance(r, Row)] == [text] * 3
        (notice,) = notices.texts
        assert "test.csv" in notice
        assert word in notice
        assert "--encoding" in notice


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_sure_encoding_needs_no_word(encoding: str) -> None:
    notices = Notices()
    title = "plain" if encoding == "ascii" else "Größe"
    data = f"{HEADER}\n1,a,b,{title}\n".encode(encoding)
    (row,) = CsvRows(io.BytesIO(data), "t", "auto", "auto", notices).rows(last_is_text=True)
    assert isinstance(row, Row)
    assert (row.fields[3], notices.texts) == (title, [])


def test_a_late_line_that_is_not_utf8_is_read_and_named() -> None:
    notices = Notices()
    early = "1,a,b,Größe\n" * 60_000
    data = f"{HEADER}\n{early}".encode() + b"2,a,b,Gr\xf6\xdfe\n3,a,b,Gr\xc3\xb6\xc3\x9fe\n"
    found = list(CsvRows(io.BytesIO(data), "test.csv", "auto", "auto", notices).rows(last_is_text=True))
    assert {r.fields[3] for r in found if isinstance(r, Row)} == {"Größe"}
    (notice,) = notices.texts
    assert "the first is line 60002" in notice
