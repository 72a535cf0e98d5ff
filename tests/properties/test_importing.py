"""Importing a list and planning right after: nothing changes, whatever the list holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import NOW, tenant
from program import EMBEDDED
from reconciler import pipeline, spec
from reconciler.api.port import PAGE, Page
from reconciler.contacts.export import Exported
from reconciler.imported import Wish, bring
from reconciler.model import REASONS, RemoteList, Selection, Settings
from reconciler.spec.writing import sayable
from reconciler.times import zulu
from worlds import LIST, World, running

EMAILS = ("ada@example.com", "Ada@Example.COM", " ada@example.com ", "bob@xn--bcher-kva.example",
          "bob@bücher.example", "o'neil,\"x\"@example.com", "no address", "a@b", "")  # fmt: skip
PHONES = ("+12125550101", "(212) 555-0101", "tel:+1-212-555-0101", "2125550102",
          "+44 20 7946 0018", "+12125550103", "12", "call me", "")  # fmt: skip
ENDS = (None, *(zulu(NOW + timedelta(days=days)) for days in (-30, 1, 365)), "9998-12-31",
        zulu(NOW + timedelta(minutes=5)), "2031-05-05T10:00:00.5+02:00", "soon",
        "never")  # fmt: skip
HOSTILE = ("null", "~", "true", "1e3", "0x1f", "12:30:00", "2026-01-01", "- a: b", "#", "{a: [",
           "'", '"', "\\", "%YAML", "!!python/object:x", "&a", "*a", "<<", "=", " lead ",
           "a\nb", "a\r\nb", "a\tb", "\u2028", "\x85", "\ufeff", "\x1b[31m", "\x00",
           "\U0001f600", "---\nkind: Policy")  # fmt: skip

EVERYBODY = [
    ("ada@example.com", None, "DNC", None), ("Ada@Example.COM", None, "BOUNCE", None),
    (None, "+12125550101", "DNC", ENDS[2]), (None, "(212) 555-0101", "DNC", ENDS[3]),
    ("bob@bücher.example", "+12125550103", "COMPLIANCE", None),
    (None, "2125550102", "BOUNCE", None),
    ("no address", None, "DNC", None), (None, "+44 20 7946 0018", "DNC", "soon"),
    ("cyd@example.com", None, None, None), ("dan@example.com", None, "dnc", None),
    ("eve@example.com", None, "DNC", ENDS[1]), ("fay@example.com", None, "DNC", ENDS[5]),
]  # fmt: skip
"""A contact of every kind, so that each is there in every run."""

texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=30))
rows = st.tuples(
    st.sampled_from((None, *EMAILS)),
    st.sampled_from((None, *PHONES)),
    st.sampled_from((*REASONS, *REASONS, None, "dnc", "FRAUD", " DNC ")),
    st.sampled_from(ENDS),
)


@dataclass(slots=True, kw_only=True)
class Written(World):
    """A service whose contacts are spelled in whatever way somebody once wrote them."""

    rows: Sequence[tuple[str | None, str | None, str | None, str | None]] = ()

    def get(self, list_id: str) -> RemoteList:
        """Return its one list."""
        assert list_id == LIST
        return RemoteList(
            id=LIST,
            settings=self.settings,
            type="suppression",
            count=len(self.rows),
            version='"1"',
        )

    def pages(self, list_id: str) -> Iterator[Page]:
        """Yield all of it, each contact of another version."""
        columns = ("email", "phone", "reason", "until", "version")
        numbered = [
            dict(zip(columns, (*row, number), strict=True)) for number, row in enumerate(self.rows)
        ]
        contacts = pa.Table.from_pylist(numbered, schema=PAGE)
        yield Page(contacts=contacts, total=len(self.rows), version=self.get(list_id).version)


@settings(max_examples=5)
@example(held=EVERYBODY, name="null", description="- a: b", ends=None, region="US")
@given(
    held=st.lists(rows, max_size=12),
    name=texts,
    description=st.none() | texts,
    ends=st.sampled_from([None, NOW + timedelta(days=400)]),
    region=st.sampled_from([None, "US"]),
)
def test_planning_right_after_an_import_changes_nothing(
    held: list[tuple[str | None, str | None, str | None, str | None]],
    name: str,
    description: str | None,
    ends: object,
    region: str | None,
) -> None:
    """Who is written stands in the file as the list holds them; the others stay as surplus."""
    own = Settings(name=name, description=description, suppress_until=ends)  # type: ignore[arg-type]
    service = Written(rows=held, settings=own)
    with TemporaryDirectory() as folder, running() as run:
        root = Path(folder) / "specs"
        root.mkdir()
        (root / "tenant.yaml").write_text(EMBEDDED, encoding="utf-8")
        wish = Wish(tenant=tenant(), list_id=LIST, name="us-dnc", region=region)

        made = bring(wish, root=root, reader=service, run=run, umask=0o022)

        prepared = pipeline.prepare(
            Selection(root=root), reader=lambda _: service, as_of=NOW, run=run
        )
        plan = prepared.plan(as_of=NOW)
        declared = spec.load(Selection(root=root)).lists[0].settings
        assert (True, ()) == (plan.empty, plan.refusals)
        assert 0 == prepared.observed.lists["us-dnc"].gap.longer
        assert made.counts.written == prepared.desired.lists[0].wanted
        assert [] == [one for one in prepared.desired.lists[0].warnings if one.severity == "error"]
        assert (declared.name == name) == sayable(name)
        assert ends == declared.suppress_until
        assert [] == [one for one in (*EMAILS, *PHONES) if len(one) > 4 and one in _yaml(root)]


def test_who_is_left_out_is_counted_by_why(tmp_path: Path) -> None:
    """Nobody disappears without a word."""
    (tmp_path / "tenant.yaml").write_text(EMBEDDED, encoding="utf-8")
    service = Written(rows=EVERYBODY)
    wish = Wish(tenant=tenant(), list_id=LIST, name="us-dnc", region="US")

    with running() as run:
        made = bring(wish, root=tmp_path, reader=service, run=run, umask=0o022)

    expected = Exported(written=4, lapsed=2, torn=1, reasonless=2, opaque=2)
    assert expected == made.counts
    assert [
        "email,phoneNumber,reason,suppressUntil",
        f",+12125550101,DNC,{ENDS[3]}",
        ",+12125550102,BOUNCE,",
        ",+12125550103,COMPLIANCE,",
        "bob@xn--bcher-kva.example,,COMPLIANCE,",
    ] == (tmp_path / "contacts" / "us-dnc.csv").read_text(encoding="utf-8").splitlines()


def _yaml(root: Path) -> str:
    """Return what stands in the spec but for the list's own texts."""
    lines = (root / "us-dnc.yaml").read_text(encoding="utf-8").splitlines()
    return "\n".join(one for one in lines if not one.startswith(("    name:", "    description:")))
