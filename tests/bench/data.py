"""Seeded contacts of both sides, written to files: run as ``-m tests.bench.data FOLDER MIX PART``.

Every part is a text that DuckDB spells row by row; its column goes to the file as it lies in
memory, so ten million contacts take seconds. What is right is known from how a contact was made
and never asked of the product.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import duckdb
import pyarrow as pa

from .mix import CODES, Mix

PAGE: Final = 10_000
"""Contacts a page."""

MACROS: Final = r"""
CREATE MACRO pick(i, what) AS CAST(hash(i, what, getvariable('seed')) >> 1 AS BIGINT);
CREATE MACRO chance(i, what) AS pick(i, what) % 1000000;
CREATE MACRO elsewhere(r) AS (r * 982451653 + 7) % getvariable('rows');
CREATE MACRO spread(i, size) AS (i * 982451653 + 12345) % size;
CREATE MACRO padded(number, width) AS lpad(CAST(number AS VARCHAR), width, '0');
CREATE MACRO written(seconds, form) AS strftime(make_timestamp(seconds * 1000000), form);

CREATE MACRO digits(i, code) AS CASE code
  WHEN '1' THEN [212, 213, 214, 215, 216, 224, 225, 240, 248, 253, 301, 302, 303, 305, 310, 312,
      313, 314, 315, 316, 401, 402, 404, 405, 408, 410, 412, 414, 415, 417, 501, 502, 503, 504,
      505, 507, 508, 509, 510, 512][1 + spread(i, 320000000) // 8000000]
    || CAST(2000000 + spread(i, 320000000) % 8000000 AS VARCHAR)
  WHEN '44' THEN CAST(7400000000 + spread(i, 600000000) AS VARCHAR)
  WHEN '49' THEN [151, 152, 157, 159][1 + spread(i, 400000000) // 100000000]
    || padded(spread(i, 400000000) % 100000000, 8)
  WHEN '33' THEN CAST(600000000 + spread(i, 200000000) AS VARCHAR)
  WHEN '61' THEN CAST(400000000 + spread(i, 100000000) AS VARCHAR)
  ELSE CAST(6000000000 + spread(i, 4000000000) AS VARCHAR) END;

CREATE MACRO grouped(n, mark) AS n[1:3] || mark || n[4:6] || mark || n[7:];
CREATE MACRO phone_spelling(c, n, how) AS CASE
  WHEN how < 450 THEN '+' || c || n
  WHEN how < 600 THEN '+' || c || ' ' || grouped(n, ' ')
  WHEN how < 700 THEN '+' || c || '-' || grouped(n, '-')
  WHEN how < 780 AND c = '1' THEN '(' || n[1:3] || ') ' || n[4:6] || '-' || n[7:]
  WHEN how < 780 THEN '+' || c || ' (' || n[1:3] || ') ' || n[4:6] || '-' || n[7:]
  WHEN how < 860 AND c = '1' THEN grouped(n, '-')
  WHEN how < 860 THEN '+' || c || ' ' || n
  WHEN how < 900 AND c = '1' THEN grouped(n, '.')
  WHEN how < 900 THEN '+' || c || '.' || grouped(n, '.')
  WHEN how < 930 AND c = '1' THEN '1 ' || grouped(n, ' ')
  WHEN how < 930 THEN '011 ' || c || ' ' || n
  WHEN how < 960 THEN ' +' || c || ' ' || n || ' '
  WHEN how < 980 AND c = '1' THEN n
  WHEN how < 980 THEN '011' || c || n
  WHEN how < 990 THEN 'tel:+' || c || '-' || grouped(n, '-')
  ELSE chr(160) || '+' || c || ' ' || grouped(n, '/') || chr(160) END;
CREATE MACRO email_spelling(name, domain, how) AS CASE
  WHEN starts_with(domain, 'xn--') THEN name || '@MÜLLER.example.com'
  WHEN how < 600 THEN name || '@' || domain
  WHEN how < 750 THEN upper(name || '@' || domain)
  WHEN how < 880 THEN upper(name[1]) || name[2:] || '@' || domain
  WHEN how < 940 THEN ' ' || name || '@' || domain || '  '
  ELSE name || '@' || upper(domain) END;
CREATE MACRO end_spelling(ends, form) AS CASE
  WHEN ends IS NULL THEN ''
  WHEN form < 85 THEN written(ends, '%Y-%m-%d')
  WHEN form < 95 THEN written(ends, '%Y-%m-%dT%H:%M:%SZ')
  ELSE written(ends + 7200, '%Y-%m-%dT%H:%M:%S+02:00') END;
CREATE MACRO nobody(r) AS
  ['nobody ' || r, r || '@', '+1 555 01', 'user' || r || '.example.com', '+49 ' || r || ' x',
   '@mail' || r || '.example.org'][1 + pick(r, 'nobody') % 6];
"""
"""Numbers are spread by a prime that divides no range, so no two are the same. One phone in thirty
and one email in twenty are spelled so that no plain pattern knows them."""

CONTACTS: Final = """
SELECT *, CASE WHEN is_email THEN name || '@' || domain ELSE '+' || code || digits END AS address,
  CASE WHEN form < 70 THEN NULL WHEN form < 85 THEN day + 86399 ELSE day + second END AS ends
FROM (
  SELECT *, CASE WHEN NOT is_email THEN digits(who, code) END AS digits,
    CASE WHEN is_email THEN
      ['ada', 'sam', 'jordan', 'noor', 'li', 'maria', 'kofi', 'ines'][1 + pick(who, 'first') % 8]
      || '.' || CASE WHEN pick(who, 'last') % 100 = 0 THEN 'o''neil' ELSE
        ['moreno', 'lee', 'okafor', 'ray', 'ito', 'silva', 'novak'][1 + pick(who, 'last') % 7] END
      || who || CASE WHEN pick(who, 'tag') % 50 = 0 THEN '+news' ELSE '' END END AS name,
    CASE WHEN NOT is_email THEN NULL
      WHEN pick(who, 'domain') % 100 = 0 THEN 'xn--mller-kva.example.com'
      ELSE 'mail' || pick(who, 'domain') % 60 || '.example.'
        || ['com', 'org', 'net'][1 + pick(who, 'top') % 3] END AS domain
  FROM (
    SELECT *, chance(who, 'kind') < getvariable('email') AS is_email,
      CASE WHEN getvariable('code') <> '' THEN getvariable('code')
        WHEN nation < 55 THEN '1' WHEN nation < 70 THEN '44' WHEN nation < 80 THEN '49'
        WHEN nation < 90 THEN '33' WHEN nation < 95 THEN '61' ELSE '91' END AS code,
      CASE WHEN pick(who, 'reason') % 10 < 7 THEN 'DNC' ELSE
        ['BOUNCE', 'UNSUBSCRIBE', 'COMPLIANCE', 'CUSTOMER_REQUEST'][1 + pick(who, 'other') % 4]
        END AS reason,
      pick(who, 'end') % 100 AS form, 1924992000 + pick(who, 'day') % 3000 * 86400 AS day,
      pick(who, 'second') % 86400 AS second
    FROM (SELECT *, pick(who, 'nation') % 100 AS nation FROM {source})))
"""
"""What contact ``who`` is, each part from a hash of its own, so that none hangs together with
another; in steps, so that no step is worked out for every place that uses it."""

ROWS: Final = """
SELECT kind, r, CASE WHEN kind = 'again' THEN elsewhere(r) ELSE r END AS who,
  pick(r, kind) % 1000 AS how, CASE
    WHEN getvariable('csv') = 'quoted' THEN '"'
    WHEN getvariable('csv') = 'mixed' AND pick(r, 'quote') % 20 = 0 THEN '"' ELSE '' END AS q,
  kind = 'again' AND pick(r, 'sooner') % 2 = 0 AS sooner
FROM (SELECT r, unnest(list_filter(['once',
    CASE WHEN chance(r, 'again') < getvariable('duplicates') THEN 'again' END,
    CASE WHEN chance(r, 'wrong') < getvariable('invalid') THEN 'wrong' END],
    lambda kind: kind IS NOT NULL)) AS kind
  FROM range(getvariable('rows')) AS numbers(r))
"""
"""The desired file's rows. One that comes again is a row of another place's contact, half of them
with an end before all others."""

SEEN: Final = """
SELECT k, differs, CASE WHEN differs = 'missing' THEN i + getvariable('rows') ELSE i END AS who
FROM (SELECT k, i, CASE WHEN chance(i, 'differs') >= getvariable('differing') THEN ''
    WHEN pick(i, 'how') % 10 < 4 THEN 'missing'
    WHEN pick(i, 'how') % 10 < 7 THEN 'longer' ELSE 'recoded' END AS differs
  FROM (SELECT k, elsewhere(k) AS i FROM range(getvariable('rows')) AS numbers(k)))
"""
"""The observed contacts, in an order of their own: where one is missing stands somebody else."""

HELD: Final = """
SELECT * REPLACE (
  CASE WHEN differs <> 'recoded' THEN reason
    WHEN reason = 'BOUNCE' THEN 'DNC' ELSE 'BOUNCE' END AS reason,
  CASE WHEN differs <> 'longer' THEN ends
    ELSE 1877990400 + pick(who, 'day') % 200 * 86400 END AS ends)
FROM seen_contacts
"""
"""Of the service: who differs has another reason there, or ends sooner."""

VIEWS: Final = {
    "file_rows": ROWS,
    "row_contacts": CONTACTS.format(source="file_rows"),
    "seen": SEEN,
    "seen_contacts": CONTACTS.format(source="seen"),
    "held": HELD,
}

PARTS: Final = {
    "desired.csv": """
SELECT CASE WHEN r = 0 AND kind = 'once' THEN 'email,phoneNumber,reason,suppressUntil
' ELSE '' END || CASE
  WHEN kind = 'wrong' AND r % 2 = 0 THEN q || nobody(r) || q || ',,,
'
  WHEN kind = 'wrong' THEN ',' || q || nobody(r) || q || ',,
'
  ELSE CASE WHEN is_email THEN q || email_spelling(name, domain, how) || q || ','
      ELSE ',' || q || phone_spelling(code, digits, how) || q END || ',' || q
    || CASE WHEN reason = 'DNC' AND second % 2 = 0 THEN '' ELSE reason END || q || ',' || q
    || CASE WHEN sooner THEN '2029-12-31' ELSE end_spelling(ends, form) END || q || '
' END
FROM row_contacts
""",
    "desired.txt": """
SELECT address || chr(9) || reason || chr(9)
  || CASE WHEN sooner THEN '1893455999' ELSE coalesce(CAST(ends AS VARCHAR), '') END || '
'
FROM row_contacts WHERE kind <> 'wrong'
""",
    "observed.txt": """
SELECT address || chr(9) || reason || chr(9) || coalesce(CAST(ends AS VARCHAR), '') || '
'
FROM held
""",
    "pages.json": """
SELECT CASE WHEN k % 10000 = 0 THEN '{"contacts":[' ELSE ',' END
  || '{"' || CASE WHEN is_email THEN 'email' ELSE 'phoneNumber' END || '":"'
  || CASE WHEN NOT is_email AND pick(who, 'typed') % 20 = 0
      THEN phone_spelling(code, digits, pick(who, 'style') % 900) ELSE address END
  || '","reason":"' || reason || '"'
  || CASE WHEN ends IS NULL THEN ''
      ELSE ',"suppressUntil":"' || written(ends, '%Y-%m-%dT%H:%M:%SZ') || '"' END
  || ',"version":1}'
  || CASE WHEN k % 10000 = 9999 OR k = getvariable('rows') - 1
      THEN '],"totalRecords":' || getvariable('rows') || '}' ELSE '' END
FROM held
""",
}
"""A text a row. Those of ``pages.json`` add up to ready-made answers of the service, ten thousand
contacts each; one phone in twenty is spelled there as somebody typed it."""

FACTS: Final = """
SELECT
  (SELECT struct_pack(invalid := count(*) FILTER (kind = 'wrong'),
    merged := count(*) FILTER (kind = 'again')) FROM file_rows) AS file,
  (SELECT struct_pack(missing := count(*) FILTER (differs = 'missing'),
    extended := count(*) FILTER (differs = 'longer'),
    recoded := count(*) FILTER (differs = 'recoded')) FROM seen) AS gap
"""

_MILLION: Final = 1_000_000


def main(words: list[str]) -> None:
    """Write one part of a mix into a folder, whole or not at all."""
    folder, mix, part = Path(words[0]), Mix.loads(words[1]), words[2]
    draft = folder / f"{part}.draft"
    session = _session(mix)
    with draft.open("wb") as file:
        if part == "facts.json":
            file.write(json.dumps(_facts(session)).encode())
        else:
            starts = _write(file, session.sql(PARTS[part]))
            if part == "pages.json":
                index = {"rows": mix.rows, "starts": starts}
                (folder / "pages.index").write_text(json.dumps(index), encoding="utf-8")
    draft.replace(folder / part)


def _session(mix: Mix) -> duckdb.DuckDBPyConnection:
    """Return a session that knows what a contact of this mix is."""
    session = duckdb.connect(config={"memory_limit": "2GB"})
    facts: dict[str, Any] = {
        name: round(getattr(mix, name) * _MILLION)
        for name in ("email", "duplicates", "invalid", "differing")
    }
    facts |= {"seed": mix.seed, "rows": mix.rows, "csv": mix.csv, "code": mix.code}
    for name, value in facts.items():
        session.execute(f"SET VARIABLE {name} = $1", [value])
    session.execute(MACROS)
    for name, query in VIEWS.items():
        session.execute(f"CREATE VIEW {name} AS {query}")
    if mix.code not in ("", *CODES):
        raise ValueError(f"the calling code {mix.code} is none of {', '.join(CODES)}")
    return session


def _facts(session: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count what a right plan has to say."""
    in_file, in_gap = session.execute(FACTS).fetchall()[0]
    return {**in_file, **in_gap}


def _write(file: BinaryIO, rows: duckdb.DuckDBPyRelation) -> list[int]:
    """Write a text column's bytes; return where each page begins, and the end."""
    starts, size, seen = [], 0, 0
    for bounds, data in _blocks(rows):
        first, last = bounds[0], bounds[-1]
        starts += [size + bounds[at] - first for at in range(-seen % PAGE, len(bounds) - 1, PAGE)]
        file.write(data[first:last])
        seen += len(bounds) - 1
        size += last - first
    return [*starts, size]


def _blocks(rows: duckdb.DuckDBPyRelation) -> Iterator[tuple[memoryview, memoryview]]:
    """Yield a text column's offsets and bytes, block by block, without an object a row."""
    for block in rows.to_arrow_reader(100_000):
        column = block.column(0).cast(pa.large_string())
        offsets, data = column.buffers()[1:3]
        if len(column):
            bounds = memoryview(offsets).cast("q")
            yield bounds[column.offset : column.offset + len(column) + 1], memoryview(data)


if __name__ == "__main__":
    main(sys.argv[1:])
