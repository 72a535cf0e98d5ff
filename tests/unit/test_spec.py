"""Loading specs: what they become, and every problem with its code and its place."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler import model, spec
from reconciler.errors import Place, Problem, SettingError, SpecError
from reconciler.spec import Code

TENANT = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec:
  embedded: true
"""
LIST = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {name: us-dnc}
spec:
  tenant: acme
  listId: 7f3e2c
"""
REMOTE = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec:
"""
POLICY = """\
apiVersion: reconciler/v1
kind: Policy
metadata: {name: default}
spec:
"""
GROUND = "basis: a, ticket: b, requestedBy: c, requestedAt: 2029-01-01"


def below(folder: Path, **files: str | bytes) -> Path:
    """Write spec files, one a keyword, and a Tenant; return the specs root."""
    root = folder / "specs"
    root.mkdir(parents=True, exist_ok=True)
    for name, content in ({"tenant": TENANT} | files).items():
        raw = content.encode() if isinstance(content, str) else content
        (root / f"{name}.yaml").write_bytes(raw)
    return root


def loaded(root: Path, *paths: Path, **narrowed: Any) -> model.Spec:
    """Load a root."""
    return spec.load(model.Selection(root=root, paths=paths, **narrowed))


def problems(root: Path) -> tuple[Problem, ...]:
    """Return the problems that loading a root raises."""
    with pytest.raises(SpecError) as raised:
        loaded(root)
    return raised.value.problems


def told(root: Path) -> list[str]:
    """Return place and code of each problem."""
    return [f"{problem.place} {problem.code}" for problem in problems(root)]


def outcome(root: Path) -> model.Spec | tuple[Problem, ...]:
    """Return what loading gives, be it specs or problems."""
    try:
        return loaded(root)
    except SpecError as error:
        return error.problems


DEFECTS: tuple[tuple[Code, str, str], ...] = (
    (Code.NOT_TEXT, "a: \x07", "1:4"),
    (Code.NOT_TEXT, LIST + '  batchReason: "a\\x07"\n', "7:16"),
    (Code.SYNTAX, LIST + "  labels: [a\n", "8:1"),
    (Code.SYNTAX, LIST + "\tcreate: true\n", "7:1"),
    (Code.SYNTAX, LIST + "  create: *no\n", "7:11"),
    (Code.SYNTAX, LIST + "  batchReason: !!int maybe\n", "7:16"),
    (Code.DUPLICATE_KEY, LIST + "  listId: 8\n", "7:3"),
    (Code.UNSUPPORTED_YAML, LIST + "  <<: {create: false}\n", "7:3"),
    (Code.UNSUPPORTED_YAML, LIST + "  batchReason: !secret x\n", "7:16"),
    (Code.UNSUPPORTED_YAML, LIST + "  [a]: x\n", "7:3"),
    (Code.UNSUPPORTED_YAML, LIST + "  list: !!set {}\n", "7:9"),
    (Code.ALIASES, LIST + "  list: &l {name: *l}\n", "7:19"),
    (Code.TOO_DEEP, "a: " + "[" * 70, "1:67"),
    (Code.NOTHING_DECLARED, "# nothing yet\n---\n...\n", "1:1"),
    (Code.API_VERSION, LIST.replace("v1", "v2"), "1:13"),
    (Code.API_VERSION, LIST.replace("apiVersion: reconciler/v1\n", ""), "1:1"),
    (Code.API_VERSION, "- just\n- a list\n", "1:1"),
    (Code.KIND, LIST.replace("SuppressionList", "SupressionList"), "2:7"),
    (Code.KIND, LIST.replace("kind: SuppressionList\n", ""), "1:1"),
    (Code.UNKNOWN_KEY, LIST + "  batchReasons: x\n", "7:3"),
    (Code.MISSING_KEY, LIST + "  sources:\n    - asOf: 2029-01-01\n", "8:7"),
    (Code.WRONG_TYPE, LIST.replace("7f3e2c", "73"), "6:11"),
    (Code.WRONG_TYPE, LIST + "  contacts:\n    - phoneNumber: 15551234567\n", "8:20"),
    (Code.WRONG_TYPE, LIST + "  list:\n", "7:3"),
    (Code.NOT_ALLOWED, LIST + "  ownership: mine\n", "7:14"),
    (Code.BAD_FORM, LIST.replace("us-dnc", "US DNC"), "3:18"),
    (
        Code.LITERAL_SECRET,
        REMOTE + "  subdomain: a\n  credentials: {clientId: env:A, clientSecret: s3cr3t}\n",
        "6:48",
    ),
    (Code.TIME, LIST + "  list: {suppressUntil: 2029-02-30}\n", "7:25"),
    (Code.TIME, LIST + "  list: {suppressUntil: soon}\n", "7:25"),
    (Code.TIME, LIST + "  list: {suppressUntil: P1Y}\n", "7:25"),
    (Code.TIME, LIST + "  defaults: {suppressUntil: P9999Y}\n", "7:29"),
    (
        Code.TIME,
        LIST + "  contacts:\n    - {email: a@example.com, requestedAt: 2029-13-01}\n",
        "8:43",
    ),
    (Code.TIME, POLICY + "  releaseWithin: P0D\n", "5:18"),
    (Code.PERCENTAGE, POLICY + "  maxReleases: {share: 100.5%}\n", "5:24"),
    (Code.DUPLICATE_NAME, TENANT, "3:18"),
    (Code.DUPLICATE_NAME, LIST + "---\n" + LIST.replace("7f3e2c", "x8"), "10:18"),
    (Code.DUPLICATE_LIST_ID, LIST + "---\n" + LIST.replace("us-dnc", "b"), "13:11"),
    (
        Code.DUPLICATE_LIST_NAME,
        (LIST + "  list: {name: A}\n---\n" + LIST)
        .replace("name: us-dnc", "name: b", 1)
        .replace("  listId: 7f3e2c\n", "", 1)
        + "  list: {name: A}\n",
        "14:16",
    ),
    (Code.TWO_POLICIES, POLICY + "  {}\n---\n" + POLICY + "  {}\n", "7:1"),
    (Code.UNKNOWN_TENANT, LIST.replace("acme", "acne"), "5:11"),
    (Code.LIST_IDENTITY, LIST.replace("listId: 7f3e2c", "list: {description: x}"), "4:1"),
    (Code.CREATE_BY_ID, LIST + "  create: true\n", "7:11"),
    (Code.EXCLUSIVE_BASIS, LIST + "  ownership: exclusive\n", "7:14"),
    (Code.QUARANTINE_SHARE, LIST + "  maxInvalid: 1%\n", "7:15"),
    (Code.QUARANTINE_SHARE, LIST + "  invalid: quarantine\n", "7:12"),
    (Code.CONTACT_IDENTIFIER, LIST + "  contacts:\n    - {reason: DNC}\n", "8:7"),
    (Code.RELEASE_IDENTIFIER, LIST + "  releases:\n    - {" + GROUND + "}\n", "8:7"),
    (
        Code.RELEASE_IDENTIFIER,
        LIST + "  releases: [{email: a@example.com, phoneNumber: '1', " + GROUND + "}]\n",
        "7:14",
    ),
    (
        Code.DURATION_START,
        LIST + "  contacts:\n    - {email: a@example.com, suppressUntil: P1Y}\n",
        "8:45",
    ),
    (
        Code.DURATION_START,
        LIST + "  defaults: {suppressUntil: P1Y}\n  contacts:\n    - {email: a@example.com}\n",
        "9:7",
    ),
    (Code.FEED_AGE, LIST + "  sources:\n    - {path: tenant.csv, maxAge: P1D}\n", "8:34"),
    (Code.SOURCE_MISSING, LIST + "  sources:\n    - {path: tennant.csv}\n", "8:14"),
    (Code.SOURCE_OUTSIDE, LIST + "  sources:\n    - {path: ../../x.csv}\n", "8:14"),
    (Code.SOURCE_FORMAT, LIST + "  sources:\n    - {path: tenant.yaml}\n", "8:14"),
    (
        Code.SOURCE_PIN,
        LIST + f"  sources:\n    - {{path: tenant.csv, sha256: {'0' * 64}}}\n",
        "8:34",
    ),
    (
        Code.ACCESS_KEY,
        REMOTE + "  dialect: dnc-groups\n  credentials: {clientId: env:A, clientSecret: env:B}\n",
        "6:3",
    ),
    (
        Code.NO_PLACE,
        LIST + "  list: {scrubbedSkills: [Sales]}\n",
        "7:10",
    ),
    (
        Code.TENANT_ADDRESS,
        REMOTE + "  credentials: {clientId: env:A, clientSecret: env:B}\n",
        "4:1",
    ),
    (Code.TENANT_CREDENTIALS, REMOTE + "  subdomain: acme\n", "4:1"),
    (Code.URL, TENANT + "  webhooks: [{url: http://example.com, secret: env:A}]\n", "6:20"),
    (
        Code.FREEZE,
        POLICY + "  freeze: [{from: 2029-12-02T00:00:00Z, to: 2029-12-01, why: x}]\n",
        "5:45",
    ),
)


@pytest.mark.parametrize(("code", "content", "where"), DEFECTS)
def test_each_defect_has_its_code_and_its_place(
    tmp_path: Path, code: Code, content: str, where: str
) -> None:
    """One thing wrong gives one problem, at its line and column."""
    alone = "kind: Tenant" in content and code is not Code.DUPLICATE_NAME
    root = below(tmp_path, x=content, **({"tenant": "# see x\n---\n" + LIST} if alone else {}))
    (root / "tenant.csv").write_text("email\n")

    found = told(root)

    assert [f"specs/x.yaml:{where} {code}"] == found


def test_every_error_code_is_tested() -> None:
    """A code nobody can provoke is no code."""
    elsewhere = {
        Code.UNREADABLE,
        Code.TOO_LARGE,
        Code.NAIVE_TIME,
        Code.UNUSED,
        Code.UNKNOWN_LIST,
        Code.TOO_MANY,
        Code.SOURCE_NAME,
    }

    assert set(Code) - elsewhere == {code for code, _, _ in DEFECTS}


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Nobody has to run it twice to learn the rest."""
    root = below(
        tmp_path,
        a=LIST.replace("acme", "acne") + "  create: maybe\n  list: {suppressUntil: 2029-02-30}\n",
        b=POLICY + "  maxRelease: {}\n  freeze: [{from: 2029-01-01}]\n",
        c=LIST.replace("us-dnc", "c") + "  sources: [{path: none.csv, asOf: 2029-02-30}]\n",
    )

    with pytest.raises(SpecError, match=r"^9 problems in 3 spec files$") as raised:
        loaded(root)

    assert [
        "specs/a.yaml:5:11 SPEC-025",
        "specs/a.yaml:7:11 SPEC-014",
        "specs/a.yaml:8:25 SPEC-018",
        "specs/b.yaml:5:3 SPEC-012",
        "specs/b.yaml:6:12 SPEC-013",
        "specs/b.yaml:6:12 SPEC-013",
        "specs/b.yaml:6:19 SPEC-018",
        "specs/c.yaml:7:20 SPEC-034",
        "specs/c.yaml:7:36 SPEC-018",
    ] == [f"{problem.place} {problem.code}" for problem in raised.value.problems]


def test_a_duplicate_names_the_first(tmp_path: Path) -> None:
    """The problem stands at the second and says where the first is, across files."""
    root = below(tmp_path, b=LIST, c=LIST.replace("7f3e2c", "x8"))

    (found,) = problems(root)

    assert "specs/c.yaml:3:18" == str(found.place)
    assert "`us-dnc` is declared already, at specs/b.yaml:3:18" == found.message


def test_a_tenant_in_a_broken_file_is_not_called_unknown(tmp_path: Path) -> None:
    """What cannot be read may hold what seems to be missing."""
    root = below(tmp_path, tenant=TENANT + "  [", lists=LIST)

    assert ["specs/tenant.yaml:7:1 SPEC-004"] == told(root)


def test_a_tenant_with_a_bad_name_is_told_once(tmp_path: Path) -> None:
    """A list that refers to it is not to blame."""
    root = below(tmp_path, tenant=TENANT.replace("acme", "ACME"), x=LIST.replace("acme", "ACME"))

    assert ["specs/tenant.yaml:3:18 SPEC-016"] == told(root)


def test_a_list_becomes_a_noun(tmp_path: Path) -> None:
    """Each key of a declaration ends up where the model says."""
    content = (
        LIST.replace("{name: us-dnc}", "{name: us-dnc, labels: {region: us}}")
        + """\
  batchReason: sweep
  list: {name: US, description: "", suppressUntil: 2029-12-31}
  defaults: {reason: DNC, region: US, suppressUntil: P1Y}
  contacts:
    - {phoneNumber: +12125550142, requestedAt: 2029-01-01}
    - email: a@example.com
      reason: BOUNCE
      suppressUntil: never
  sources:
    - {path: data/*.csv, columns: {email: mail}, asOf: 2026-11-01T00:00:00Z, maxAge: P31D}
  releases:
    - &first {email: b@example.com, basis: a, ticket: b, requestedBy: c, requestedAt: 2026-11-20}
    - {phoneNumber: "+12125550143", basis: a, ticket: b, requestedBy: c,
       requestedAt: 2026-11-20T10:00:00Z, suppressUntil: P1D}
  ownership: exclusive
  releaseBasis: agreed
  duplicates: error
  invalid: quarantine
  maxInvalid: 0.1%
"""
    )
    root = below(tmp_path, x=content)
    (root / "data").mkdir()
    (root / "data/one.csv").touch()

    (made,) = loaded(root).lists

    shown = "specs/x.yaml"
    expected = model.ListSpec(
        name="us-dnc",
        place=Place(path=shown, line=1, column=1),
        tenant="acme",
        list_id="7f3e2c",
        create=False,
        settings=model.Settings(
            name="US",
            description="",
            suppress_until=datetime(2029, 12, 31, 23, 59, 59, tzinfo=UTC),
        ),
        labels=MappingProxyType({"region": "us"}),
        batch_reason="sweep",
        defaults=model.Defaults(reason="DNC", region="US", suppress_until="P1Y"),
        contacts=(
            model.InlineContact(
                place=Place(path=shown, line=11, column=7),
                phone="+12125550142",
                requested_at="2029-01-01",
            ),
            model.InlineContact(
                place=Place(path=shown, line=12, column=7),
                email="a@example.com",
                reason="BOUNCE",
                suppress_until="never",
            ),
        ),
        sources=(
            model.Source(
                place=Place(path=shown, line=16, column=7),
                path="data/*.csv",
                base=root,
                files=(root / "data/one.csv",),
                columns=MappingProxyType({"email": "mail"}),
                as_of=datetime(2026, 11, 1, tzinfo=UTC),
                max_age="P31D",
            ),
        ),
        releases=(
            model.ReleaseSpec(
                place=Place(path=shown, line=18, column=7),
                email="b@example.com",
                phone=None,
                requested_at=datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC),
                basis="a",
                ticket="b",
                requested_by="c",
            ),
            model.ReleaseSpec(
                place=Place(path=shown, line=19, column=7),
                email=None,
                phone="+12125550143",
                requested_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
                suppress_until=datetime(2026, 11, 21, 10, tzinfo=UTC),
                basis="a",
                ticket="b",
                requested_by="c",
            ),
        ),
        ownership=model.Ownership.EXCLUSIVE,
        release_basis="agreed",
        duplicates="error",
        invalid="quarantine",
        max_invalid=Decimal("0.001"),
        digest=made.digest,
    )
    assert expected == made


def test_what_a_list_leaves_out_is_unmanaged(tmp_path: Path) -> None:
    """An absent key is left to others, ``never`` clears the end."""
    content = LIST + "  list: {suppressUntil: never}\n"

    (made,) = loaded(below(tmp_path, x=content)).lists

    assert model.Settings(suppress_until=None) == made.settings
    assert model.UNMANAGED is made.settings.name


@pytest.mark.parametrize(
    ("keys", "base", "token"),
    [
        (
            "subdomain: acme",
            "https://acme.api.cxone.com/api/v2",
            "https://acme.api.cxone.com/oauth/token",
        ),
        (
            "baseUrl: http://127.0.0.1:8080/api/v2/",
            "http://127.0.0.1:8080/api/v2",
            "http://127.0.0.1:8080/oauth/token",
        ),
        (
            "subdomain: acme\n  baseUrl: https://example.com/v2",
            "https://example.com/v2",
            "https://acme.api.cxone.com/oauth/token",
        ),
        (
            "baseUrl: https://example.com/v2\n  tokenUrl: https://id.example.com/token",
            "https://example.com/v2",
            "https://id.example.com/token",
        ),
    ],
)
def test_a_tenant_knows_its_addresses(tmp_path: Path, keys: str, base: str, token: str) -> None:
    """They follow from the subdomain, where they are not given."""
    content = REMOTE + f"  {keys}\n  credentials: {{clientId: env:A, clientSecret: file:/b}}\n"

    made = loaded(below(tmp_path, tenant=content)).tenants["acme"]

    assert (base, token) == (made.base_url, made.token_url)
    assert model.Credentials(client_id="env:A", client_secret="file:/b") == made.credentials


def test_a_tenant_has_limits_and_webhooks(tmp_path: Path) -> None:
    """What is absent has the model's defaults."""
    content = (
        TENANT
        + """\
  limits: {requestsPerSecond: 2, timeoutSeconds: 1.5}
  compressRequests: true
  webhooks: [{url: "http://localhost:9/hook?x=1", secret: env:HOOK}]
"""
    )

    made = loaded(below(tmp_path, tenant=content)).tenants["acme"]

    assert model.Limits(requests_per_second=2.0, timeout_seconds=1.5) == made.limits
    assert made.compress_requests
    assert (model.Webhook(url="http://localhost:9/hook?x=1", secret="env:HOOK"),) == made.webhooks
    assert ("", "", None) == (made.base_url, made.token_url, made.credentials)


def test_the_policy_knows_where_each_bound_stands(tmp_path: Path) -> None:
    """A refusal can name the line that set the limit."""
    content = (
        POLICY
        + """\
  maxReleases: {share: 0.5%}
  maxSuppressions: {count: 7}
  allowEmpty: [us-dnc]
  freeze:
    - {from: 2029-12-20T00:00:00Z, to: 2030-01-02, why: holidays}
  releaseWithin: P1W
"""
    )

    made = loaded(below(tmp_path, policy=content, x=LIST)).policy

    at = {"maxReleases": 5, "maxSuppressions": 6, "allowEmpty": 7, "freeze": 8, "releaseWithin": 10}
    path = "specs/policy.yaml"
    assert (
        model.Policy(
            place=Place(path=path, line=1, column=1),
            max_release_share=Decimal("0.005"),
            max_suppressions=7,
            allow_empty=("us-dnc",),
            freeze=(
                model.Freeze(
                    start=datetime(2029, 12, 20, tzinfo=UTC),
                    end=datetime(2030, 1, 2, 23, 59, 59, tzinfo=UTC),
                    why="holidays",
                    place=Place(path=path, line=9, column=7),
                ),
            ),
            release_within=timedelta(days=7),
            places=MappingProxyType(
                {key: Place(path=path, line=line, column=3) for key, line in at.items()}
            ),
        )
        == made
    )


def test_without_a_policy_the_defaults_bind(tmp_path: Path) -> None:
    """No Policy is not no limit."""
    assert model.Policy() == loaded(below(tmp_path)).policy


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    """A time without an offset, an unused key and an unknown list are told, not refused."""
    root = below(
        tmp_path,
        policy=POLICY + "  allowEmpty: [us-dcn]\n",
        tenant=TENANT + "  subdomain: acme\n",
        x=LIST + "  list: {suppressUntil: 2029-12-31T10:00}\n",
    )

    found = loaded(root).warnings

    assert [
        f"specs/policy.yaml:5:16 {Code.UNKNOWN_LIST} no spec declares the list `us-dcn`",
        f"specs/tenant.yaml:6:14 {Code.UNUSED} an embedded tenant does not use `subdomain`",
        (
            f"specs/x.yaml:7:25 {Code.NAIVE_TIME} `2029-12-31T10:00` has no offset and is taken as"
            " UTC; end it with Z"
        ),
    ] == [str(problem) for problem in found]
    assert {"warning"} == {problem.severity for problem in found}


def test_everything_loaded_is_deeply_frozen(tmp_path: Path) -> None:
    """No list, dict or set hides in a noun."""
    root = below(tmp_path, x=LIST + "  contacts: [{email: a@example.com}]\n", p=POLICY + "  {}\n")

    def leaves(value: Any) -> list[Any]:
        if is_dataclass(value):
            return [x for f in fields(value) for x in leaves(getattr(value, f.name))]
        if isinstance(value, tuple):
            return [x for item in value for x in leaves(item)]
        if isinstance(value, MappingProxyType):
            return [x for item in value.values() for x in leaves(item)]
        return [value]

    assert [] == [x for x in leaves(loaded(root)) if isinstance(x, list | dict | set | Mapping)]


def test_the_digest_of_a_list_says_nothing_about_contacts(tmp_path: Path) -> None:
    """A plain digest of one number can be guessed, so identifiers are not in it."""
    contact = "  contacts: [{{email: {}@example.com}}]\n  batchReason: {}\n"
    release = "  releases: [{{email: {}@x.org, " + GROUND + "}}]\n"

    def digest(name: str, content: str) -> str:
        return loaded(below(tmp_path / name, x=content)).lists[0].digest

    first = digest("a", LIST + contact.format("a", "x") + release.format("a"))
    other = digest("b", LIST + contact.format("b", "x") + release.format("b"))
    changed = digest("c", LIST + contact.format("a", "y") + release.format("a"))

    assert first == other
    assert first != changed
    assert 64 == len(first)


def test_files_are_digested_by_their_path_below_the_root(tmp_path: Path) -> None:
    """The evidence names what was read."""
    root = below(tmp_path, x=LIST)

    assert {
        "tenant.yaml": hashlib.sha256(TENANT.encode()).hexdigest(),
        "x.yaml": hashlib.sha256(LIST.encode()).hexdigest(),
    } == loaded(root).digests


# ---------------------------------------------------------------- files


def test_hidden_files_and_other_files_are_passed_over(tmp_path: Path) -> None:
    """Both endings count, in folders too; what is hidden or of another kind does not."""
    root = below(tmp_path)
    (root / ".hidden").mkdir()
    for name in (".hidden/a.yaml", ".b.yaml", "c.json", "README"):
        (root / name).write_text("][")
    (root / "deep/er").mkdir(parents=True)
    (root / "deep/er/list.YML").write_text(LIST)

    made = loaded(root)

    assert ["deep/er/list.YML", "tenant.yaml"] == sorted(made.digests)


def test_links_in_circles_end(tmp_path: Path) -> None:
    """A linked folder is read once."""
    root = below(tmp_path, x=LIST)
    (root / "again").symlink_to(root, target_is_directory=True)
    (root / "self.yaml").symlink_to("self.yaml")
    (root / "gone.yaml").symlink_to("nowhere.yaml")

    assert ["specs/gone.yaml SPEC-001", "specs/self.yaml SPEC-001"] == told(root)


def test_a_spec_linked_from_outside_the_repository_is_refused(tmp_path: Path) -> None:
    """What is not in the repository has no history there."""
    (tmp_path / "x.yaml").write_text(LIST)
    root = below(tmp_path / "repository")
    (root / "x.yaml").symlink_to(tmp_path / "x.yaml")

    assert ["specs/x.yaml SPEC-035"] == told(root)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe would never end."""
    root = below(tmp_path)
    os.mkfifo(root / "x.yaml")

    assert ["specs/x.yaml SPEC-001"] == told(root)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "it is a folder, expected a file"),
        (os.mkfifo, "it is a named pipe, expected a file"),
        (lambda path: path.symlink_to("gone"), "it is a link that leads nowhere, expected a file"),
        (lambda path: path.symlink_to(path.name), "it is a link that leads nowhere"),
    ],
)
def test_what_is_named_as_a_spec_and_is_no_file_is_told(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    """Also a folder: nobody may think that it was read."""
    root = below(tmp_path)
    make(root / "x.yaml")

    with pytest.raises(SpecError) as raised:
        loaded(root)

    (problem,) = raised.value.problems
    assert "specs/x.yaml SPEC-001" == f"{problem.place} {problem.code}"
    assert said in problem.message


def test_a_name_that_is_no_text_is_spelt_out(tmp_path: Path) -> None:
    """A file system takes any byte; a terminal does not."""
    root = below(tmp_path)
    Path(os.fsdecode(bytes(root) + b"/\xff\x1b[2J.yaml")).write_text("a: [\n")

    assert [r"specs/\xff\x1b[2J.yaml:2:1 SPEC-004"] == told(root)


@pytest.mark.parametrize(
    "content",
    [
        "a: 1\n" * 1_002,
        "--- a\n" * 1_002,
        LIST + "  contacts:\n" + "    - 1\n" * 1_001,
        LIST + "  sources:\n" + "    - {path: none.csv}\n" * 1_000 + "  x: 1\n",
        TENANT + "  webhooks: []\n---\n" + (TENANT + "  x: 1\n---\n") * 1_001,
    ],
    ids=["keys", "documents", "contacts", "sources", "unknown keys"],
)
def test_a_file_has_a_bounded_number_of_problems(tmp_path: Path, content: str) -> None:
    """That there are more is told; what is made of the file is no noun."""
    found = told(below(tmp_path, x=content))

    assert "specs/x.yaml SPEC-044" in found
    assert 1_000 <= sum(one.startswith("specs/x.yaml") for one in found) <= 2_100


def test_a_list_has_a_bounded_number_of_sources(tmp_path: Path) -> None:
    """A pattern names many files, so nobody needs as many sources."""
    root = below(tmp_path, x=LIST + "  sources:\n" + "    - {path: none.csv}\n" * 1_001)

    assert ["specs/x.yaml:7:3 SPEC-044"] == told(root)


def test_a_file_over_the_size_is_refused(tmp_path: Path) -> None:
    """Contacts by the million belong into a source."""
    root = below(tmp_path, x=b"#" * (16 * 1024 * 1024 + 1), y=b"#" * (16 * 1024 * 1024))

    assert ["specs/x.yaml SPEC-002", "specs/y.yaml:1:1 SPEC-009"] == told(root)


def test_an_empty_root_declares_nothing(tmp_path: Path) -> None:
    """No spec at all is a mistake, not an empty wish."""
    (tmp_path / "specs").mkdir()

    assert ["specs SPEC-009"] == told(tmp_path / "specs")


def test_a_root_that_does_not_exist_is_a_setting(tmp_path: Path) -> None:
    """The path is wrong, not a spec."""
    with pytest.raises(SettingError, match="is not a folder that exists"):
        loaded(tmp_path / "specs")


# ---------------------------------------------------------------- the selection


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Return a root with three lists in two files."""
    return below(
        tmp_path,
        one=LIST,
        two=LIST.replace("{name: us-dnc}", "{name: b, labels: {team: x}}").replace("7f3e2c", "b")
        + "---\n"
        + LIST.replace("us-dnc", "a").replace("7f3e2c", "a"),
    )


def names(made: model.Spec) -> list[str]:
    """Return the names of the selected lists."""
    return [one.name for one in made.lists]


def test_everything_is_selected_sorted_by_name(three: Path) -> None:
    """Order of files and documents does not matter."""
    assert ["a", "b", "us-dnc"] == names(loaded(three))


def test_paths_names_and_labels_agree(three: Path) -> None:
    """Each narrows down what the others leave."""
    two = three / "two.yaml"

    assert ["a", "b"] == names(loaded(three, two))
    assert ["a", "b", "us-dnc"] == names(loaded(three, two, three / "one.yaml"))
    assert ["a", "b", "us-dnc"] == names(loaded(three, three.parent))
    assert ["b"] == names(loaded(three, lists=("b",)))
    assert ["b"] == names(loaded(three, two, labels=(("team", "x"),)))
    assert ["acme"] == list(loaded(three, two).tenants)


@pytest.mark.parametrize(
    ("paths", "narrowed", "expected"),
    [
        (("none.yaml",), {}, r"the path .*none.yaml does not exist"),
        (("..", "../.."), {}, r"holds no SuppressionList|not below"),
        (("tenant.yaml",), {}, r"the path .*tenant.yaml holds no SuppressionList"),
        ((), {"lists": ("us-dcn",)}, r"there is no list `us-dcn`"),
        (("one.yaml",), {"lists": ("b",)}, "no list matches"),
        ((), {"labels": (("team", "y"),)}, "no list matches"),
    ],
)
def test_a_selection_of_nothing_is_an_error(
    three: Path, paths: tuple[str, ...], narrowed: dict[str, Any], expected: str
) -> None:
    """A slip must not look like a quiet success."""
    if paths == ("..", "../.."):
        elsewhere = three.parent / "elsewhere"
        elsewhere.mkdir()
        paths = (str(elsewhere),)

    with pytest.raises(SettingError, match=expected) as raised:
        loaded(three, *(three / path for path in paths), **narrowed)

    assert ("did you mean us-dnc?" if "us-dcn" in expected else raised.value.hint) == (
        raised.value.hint
    )


def test_the_nearest_specs_folder_is_the_root(tmp_path: Path) -> None:
    """From inside, from beside, from a file, from far below."""
    root = below(tmp_path / "a", x=LIST)
    (root / "team/deep").mkdir(parents=True)
    (tmp_path / "a/src/lib").mkdir(parents=True)

    starts = (root, root.parent, root / "x.yaml", root / "team/deep", tmp_path / "a/src/lib")

    assert {root} == {spec.specs_root(start) for start in starts}


def test_no_root_is_told_with_a_hint(tmp_path: Path) -> None:
    """A beginner learns what to type."""
    with pytest.raises(SettingError) as raised:
        spec.specs_root(tmp_path)
    with pytest.raises(SettingError, match="does not exist"):
        spec.specs_root(tmp_path / "none")

    assert "--root" in raised.value.hint


# ---------------------------------------------------------------- whatever stands in a file

LINES = st.sampled_from(
    [
        *(
            TENANT + LIST + POLICY + "  contacts:\n    - {email: a@example.com}\n  sources:\n"
        ).splitlines(),
        "    - {path: '**/*.csv', asOf: P1D}",
        "  list: {suppressUntil: 0000-00-00}",
        "---",
        "  ? a",
        "  releases: [{requestedAt: 9999-12-31T23:59:59.9-23:00}]",
        "  a: *x",
        "  &x b: c",
        "\t",
        "  freeze: [{from: 2029-01-01T00:00Z, to: 2029-01-01}]",
        "  releaseWithin: P99999999999W",
    ]
)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(LINES, max_size=20).map(lambda lines: "\n".join(lines).encode()),
    st.tuples(st.sampled_from((TENANT, LIST, POLICY)), st.text(max_size=60)).map(
        lambda pair: (pair[0] + "  " + pair[1]).encode("utf-8", "surrogatepass")
    ),
    st.tuples(
        st.sampled_from((TENANT, LIST, POLICY)),
        st.integers(0, 150),
        st.text(alphabet="{}[]:,-?*&!|>'\"%@` \n#a1.~<", max_size=8),
    ).map(lambda cut: (cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]).encode()),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=CONTENTS)
def test_any_file_gives_specs_or_problems(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in a file, the answer is a Spec or a SpecError with a place."""
    root = below(tmp_path, x=content)

    found = outcome(root)

    if isinstance(found, model.Spec):
        assert "acme" in found.tenants
    else:
        assert found
        assert all(problem.place.path.startswith("specs") for problem in found)
        assert tuple(sorted(found)) == found


VOICE = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec:
  dialect: dnc-groups
  credentials:
    clientId: env:A
    clientSecret: env:B
    accessKeyId: env:C
    accessKeySecret: env:D
"""


def test_a_tenant_of_groups_is_found_by_its_token(tmp_path: Path) -> None:
    """It needs no address: its own configuration tells it; the token's endpoint is known."""
    root = below(tmp_path, tenant=VOICE, x=LIST)

    tenant = loaded(root).tenants["acme"]

    assert ("", "https://cxone.niceincontact.com/auth/token") == (
        tenant.base_url,
        tenant.token_url,
    )
    assert tenant.credentials is not None
    assert "env:C" == tenant.credentials.access_key_id


def test_what_a_tenant_of_its_dialect_does_not_use_is_a_warning(tmp_path: Path) -> None:
    """A subdomain of groups, and an access key of lists."""
    remote = VOICE.replace("dnc-groups", "lists\n  subdomain: acme")
    voice = below(tmp_path / "a", tenant=VOICE + "  subdomain: acme\n", x=LIST)
    lists = below(tmp_path / "b", tenant=remote, x=LIST)

    told = [[str(each.code) for each in loaded(root).warnings] for root in (voice, lists)]

    assert [["SPEC-041"], ["SPEC-041", "SPEC-041"]] == told


def test_what_groups_have_no_place_for_is_told_where_it_stands(tmp_path: Path) -> None:
    """An end of the list, and a release by email unless it is skipped; `never` is no end."""
    more = "  list: {suppressUntil: 2030-01-01T00:00:00Z}\n"
    gone = "  releases: [{email: a@example.com, " + GROUND + "}]\n"
    wrong = below(tmp_path / "a", tenant=VOICE, x=LIST + more + gone)
    right = below(
        tmp_path / "b",
        tenant=VOICE,
        x=LIST + "  list: {suppressUntil: never}\n  unsupported: skip\n" + gone,
    )

    with pytest.raises(SpecError) as raised:
        loaded(wrong)
    warned = [problem for problem in loaded(right).warnings if problem.code == "SPEC-046"]

    assert ["specs/x.yaml:7:25", "specs/x.yaml:8:22"] == [
        str(problem.place) for problem in raised.value.problems if problem.code == "SPEC-046"
    ]
    assert ["warning"] == [problem.severity for problem in warned]


def test_a_misspelt_dialect_is_one_problem(tmp_path: Path) -> None:
    """What follows from it is not told: nobody knows what was meant."""
    root = below(
        tmp_path,
        tenant=VOICE.replace("dnc-groups", "dnc-group"),
        x=LIST + "  list: {scrubbedSkills: [Sales]}\n",
    )

    with pytest.raises(SpecError) as raised:
        loaded(root)

    assert ["SPEC-015"] == [problem.code for problem in raised.value.problems]
