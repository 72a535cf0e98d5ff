"""What is told before anything is done: validate, ping, schema, help."""

import gzip
import hashlib
from pathlib import Path

import orjson
import pytest

from program import LIST, Workplace, workplace

TENANT = """\
# one tenant
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec:
  subdomain: acme
  credentials: {clientId: env:CXONE_CLIENT_ID, clientSecret: hunter2-not-a-reference}
"""
HEAD = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {{name: {name}}}
spec:
  tenant: {tenant}
  listId: {list_id}
"""
POLICY = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: default}
spec: {}
"""
BOMB = """\
a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
f: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
"""


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder to work in."""
    return workplace(tmp_path)


def head(name: str, *, tenant: str = "acme", list_id: str = LIST) -> str:
    """Return the first lines of a list's spec."""
    return HEAD.format(name=name, tenant=tenant, list_id=list_id)


def test_all_problems_of_all_files_are_told_at_once(work: Workplace) -> None:
    """Each with place, code, what was found and what was expected; text and json agree."""
    work.write("tenant.yaml", TENANT)
    work.write("a.yaml", head("a") + "  owner: me\n  ownershp: additive\n")
    work.write("b.yaml", head("a") + "  create: no\n  create: no\n")
    work.write("d.yaml", head("d", list_id="d") + "  sources: [{path: ../../../etc/passwd.csv}]\n")
    work.write("e.yaml", head("e", list_id="e") + "  contacts: [{reason: OTHER}]\n")
    work.write("f.yaml", BOMB)
    work.write("g.yaml", "a: [\n")
    work.write("one.yaml", POLICY)
    work.write("two.yaml", POLICY)

    text = work.run("validate")
    json = work.run("validate", "--format", "json")

    lines = text.out.splitlines()
    told = [f"{one['place']['path']} {one['code']}" for one in json.document["problems"]]
    assert (7, 7, "") == (text.code, json.code, text.err)
    assert {
        "specs/a.yaml SPEC-012", "specs/b.yaml SPEC-005", "specs/b.yaml SPEC-021",
        "specs/d.yaml SPEC-035", "specs/e.yaml SPEC-015", "specs/e.yaml SPEC-030",
        "specs/f.yaml SPEC-007", "specs/g.yaml SPEC-004", "specs/tenant.yaml SPEC-017",
        "specs/two.yaml SPEC-024",
    } <= set(told)  # fmt: skip
    assert len(told) == json.document["counts"]["problems"] == len(lines) - 1
    assert any(line.startswith("specs/a.yaml:8:3 SPEC-012 ") for line in lines)
    assert "`ownership`" in "".join(line for line in lines if "ownershp" in line)
    assert "hunter2" not in text.out + json.out


def test_specs_are_checked_against_each_other(work: Workplace) -> None:
    """One name and one (tenant, listId) each once, and no reference leads nowhere."""
    work.embed()
    work.write("a.yaml", head("a"))
    work.write("b.yaml", head("a", list_id="other"))
    work.write("c.yaml", head("c"))
    work.write("d.yaml", head("d", tenant="acne"))

    told = work.call("validate", "--format", "json").document["problems"]

    assert ["SPEC-021", "SPEC-022", "SPEC-025"] == sorted(one["code"] for one in told)


def test_contact_files_are_checked_too(work: Workplace) -> None:
    """Wrong digests and invalid rows, masked, with file and line; good ones are counted."""
    good = gzip.compress(b"phoneNumber,email\n+12125550101,\n,Ann@example.com\n")
    for name, content in {
        "good.csv.gz": good,
        "bad.csv": b"phoneNumber\n+12125550102\n5550103\n",
        "pinned.csv": b"phoneNumber\n+12125550104\n",
    }.items():
        work.write(name, "")
        (work.folder / "specs" / name).write_bytes(content)
    work.embed()
    pin = hashlib.sha256(b"something else").hexdigest()
    work.declare(more="  sources: [{path: bad.csv}]\n")
    work.declare(name="two", identity="listId: two", more="  sources: [{path: nothing-*.csv}]\n")
    pinned = f"  sources: [{{path: pinned.csv, sha256: {pin}}}]\n"
    work.declare(name="three", identity="listId: three", more=pinned)
    wrong = work.call("validate")
    for name in ("two", "three"):
        (work.folder / "specs" / f"{name}.yaml").unlink()
    invalid = work.call("validate", "--format", "json")
    work.declare(more="  sources: [{path: good.csv.gz}]\n")
    right = work.call("validate")

    assert 7 == wrong.code
    assert 7 == invalid.code
    (first, summary) = invalid.document["problems"]
    assert ("specs/bad.csv", 3) == (first["place"]["path"], first["place"]["line"])
    assert "5550103" not in invalid.out
    assert "5550103" in Path(summary["message"].rpartition(" ")[2]).read_text("utf-8")
    assert "SPEC-037" in wrong.out
    assert "SPEC-034" in wrong.out
    assert (0, "2 files, 1 list, 2 contacts. No problems.") == (right.code, right.last)


def test_global_flags_go_before_or_after_the_verb(work: Workplace) -> None:
    """And in the environment, where the command line wins over it."""
    elsewhere = work.folder / "elsewhere"
    elsewhere.mkdir()
    work.embed()
    work.declare('phoneNumber: "+12125550101"')
    (work.folder / "specs").rename(elsewhere / "specs")
    root = str(elsewhere / "specs")

    before = work.call("--root", root, "validate")
    after = work.call("validate", "--root", root)
    variable = work.call("validate", settings={"RECONCILER_VALIDATE_ROOT": root})
    nowhere = work.call("validate", "--root", "absent")
    without = work.call("validate")
    state = {"RECONCILER_STATE_DIR": str(work.folder / "from-environment")}
    work.call("--state-dir", "given", "plan", "--root", root, settings=state)
    work.call("plan", "--root", root, settings=state)

    assert [0, 0, 0, 7, 7] == [each.code for each in (before, after, variable, nowhere, without)]
    assert "hint: " in without.err
    for name in ("given", "from-environment"):
        assert (work.folder / name / "ledger" / "00000001.json").is_file()


def test_ping_says_of_each_tenant_and_list_whether_a_run_would_get_on(work: Workplace) -> None:
    """What is not there, or is of another type, fails alone and decides the exit code."""
    work.have()
    work.have(list_id="calls", name="Callers", list_type="calling")
    with work.service():
        work.declare()
        work.declare(name="absent", identity="listId: absent")
        work.declare(name="calls", identity="listId: calls")
        whole = work.run("ping", "--format", "json")
        fine = work.call("ping", "--list", "us-dnc")

    failed = [
        (each["subject"], each["name"]) for each in whole.document["checks"] if not each["ok"]
    ]
    assert (1, [("absent", "list"), ("calls", "type")]) == (whole.code, failed)
    assert (0, "6 checks. All passed.") == (fine.code, fine.last)


def test_ping_names_the_tenant_that_does_not_let_us_in(work: Workplace) -> None:
    """A wrong secret, no secret, no network: one line, and never what the secret is."""
    work.have()
    work.declare()
    with work.service("status:401@/oauth/token"):
        refused = work.call("ping")
        work.environment.pop("CXONE_CLIENT_ID")
        unset = work.call("ping")
    work.environment["CXONE_CLIENT_ID"] = "e2e-client"
    gone = work.call("ping")

    assert [1, 7, 1] == [each.code for each in (refused, unset, gone)]
    assert "FAIL  acme  token  " in refused.out
    assert "export CXONE_CLIENT_ID=" in unset.out
    assert "1 check. 1 failed." == gone.last


def test_a_schema_is_printed_as_it_is_shipped(work: Workplace) -> None:
    """Each kind, and the kinds there are; another kind is a misused command line."""
    shipped = Path(__file__).parents[2] / "schemas"

    kinds = work.run("schema")
    printed = {kind: work.call("schema", kind).document["$id"] for kind in kinds.out.split()}
    unknown = work.call("schema", "Polcy", "--format", "json")

    ours = {orjson.loads(path.read_bytes())["$id"] for path in shipped.glob("*.json")}
    assert ours == set(printed.values())
    specs, documents = (
        {"Tenant", "SuppressionList", "Policy"},
        {"Plan", "Receipt", "Drift", "Report", "Problem"},
    )
    assert specs | documents == set(printed)
    assert 64 == unknown.code
    assert "Policy" in unknown.err
