"""What the schemas allow, and how a fault is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler import schema
from reconciler.errors import ReconcilerError, UsageError
from reconciler.spec.codes import OF_FAULT

REPOSITORY = Path(__file__).parents[2]
SECRET = "hunter2-and-nothing-else"


def document(kind: str, **spec: Any) -> dict[str, Any]:
    """Make a document; a list and a tenant get what they cannot do without."""
    by_kind: dict[str, dict[str, Any]] = {
        "SuppressionList": {"tenant": "acme", "listId": "7f3e2c"},
        "Tenant": {"embedded": True},
        "Policy": {},
    }
    return {
        "apiVersion": "reconciler/v1",
        "kind": kind,
        "metadata": {"name": "one"},
        "spec": by_kind[kind] | spec,
    }


def told(kind: str, **spec: Any) -> list[tuple[str, str]]:
    """Return path and code of each fault."""
    faults = schema.check(document(kind, **spec), kind)
    return [(".".join(map(str, fault.path)), fault.code) for fault in faults]


def message(kind: str, **spec: Any) -> str:
    """Return the message of the only fault."""
    (fault,) = schema.check(document(kind, **spec), kind)
    return fault.message


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    """Yield everything in a schema that may be a schema."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in {"examples", "default", "const", "enum"}:
                yield from subschemas(value)
    if isinstance(node, list):
        for value in node:
            yield from subschemas(value)


@pytest.mark.parametrize("kind", schema.KINDS)
def test_a_schema_is_valid_and_so_are_its_examples(kind: str) -> None:
    """The schemas obey draft 2020-12, and each document they show passes the check."""
    loaded = json.loads(schema.text(kind))

    Draft202012Validator.check_schema(loaded)

    assert f"urn:reconciler:v1:{kind}" == loaded["$id"]
    assert loaded["examples"]
    assert [()] * len(loaded["examples"]) == [schema.check(e, kind) for e in loaded["examples"]]


@pytest.mark.parametrize("kind", schema.KINDS)
def test_every_key_is_explained_with_an_example_that_is_valid(kind: str) -> None:
    """An editor can say what each key is for; no mapping takes unknown keys unnoticed."""
    loaded = json.loads(schema.text(kind))
    objects = [one for one in subschemas(loaded) if one.get("type") == "object"]

    for one in objects:
        assert "additionalProperties" in one
        for name, given_property in one.get("properties", {}).items():
            target = given_property.get("$ref", "").rpartition("/")[2]
            merged = loaded["$defs"].get(target, {}) | given_property
            assert merged.get("title"), name
            assert len(merged.get("description", "")) > 10, name
    for one in subschemas(loaded):
        validator = Draft202012Validator({"$defs": loaded["$defs"], **one})
        for example in one.get("examples", ()) if "type" in one or "enum" in one else ():
            assert [] == [error.message for error in validator.iter_errors(example)]


@pytest.mark.parametrize("kind", schema.KINDS)
def test_every_rule_of_a_schema_has_a_code_and_a_message(kind: str) -> None:
    """No rule reaches a user without its own words, and patterns are anchored."""
    for one in subschemas(json.loads(schema.text(kind))):
        if "x-rule" in one:
            assert one["x-rule"] in OF_FAULT
            assert one["errorMessage"]
        if isinstance(one.get("pattern"), str):
            assert one["errorMessage"]
            assert one["pattern"].startswith("^")
            assert one["pattern"].endswith("$")


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("SuppressionList", {}, []),
        ("SuppressionList", {"suppresUntil": "never"}, [("spec.suppresUntil", "unknown-key")]),
        ("SuppressionList", {"tenant": None}, [("spec.tenant", "wrong-type")]),
        ("SuppressionList", {"listId": 7}, [("spec.listId", "wrong-type")]),
        ("SuppressionList", {"listId": ""}, [("spec.listId", "bad-form")]),
        ("SuppressionList", {"ownership": "mine"}, [("spec.ownership", "not-allowed")]),
        ("SuppressionList", {"ownership": "exclusive"}, [("spec.ownership", "exclusive-basis")]),
        ("SuppressionList", {"create": True}, [("spec.create", "create-by-id")]),
        ("SuppressionList", {"maxInvalid": "1%"}, [("spec.maxInvalid", "quarantine-share")]),
        ("SuppressionList", {"invalid": "quarantine"}, [("spec.invalid", "quarantine-share")]),
        (
            "SuppressionList",
            {"invalid": "quarantine", "maxInvalid": "101%"},
            [("spec.maxInvalid", "percentage")],
        ),
        ("SuppressionList", {"sources": [{}]}, [("spec.sources.0", "missing-key")]),
        (
            "SuppressionList",
            {"sources": [{"path": "a.csv", "maxAge": "P1D"}]},
            [("spec.sources.0.maxAge", "feed-age")],
        ),
        ("SuppressionList", {"contacts": {}}, [("spec.contacts", "wrong-type")]),
        ("SuppressionList", {"contacts": [7]}, [("spec.contacts.0", "wrong-type")]),
        ("SuppressionList", {"contacts": [{}]}, [("spec.contacts.0", "contact-identifier")]),
        (
            "SuppressionList",
            {"contacts": [{"email": "a@example.com", "requestedAt": "P1D"}]},
            [("spec.contacts.0.requestedAt", "time")],
        ),
        (
            "SuppressionList",
            {"defaults": {"suppressUntil": "tomorrow"}},
            [("spec.defaults.suppressUntil", "time")],
        ),
        ("Tenant", {"dialect": "dnc-group"}, [("spec.dialect", "not-allowed")]),
        (
            "Tenant",
            {"dialect": "dnc-groups", "embedded": False},
            [("spec", "tenant-credentials")],
        ),
        ("Tenant", {"dialect": "dnc-groups", "embedded": True}, []),
        (
            "Tenant",
            {"embedded": False},
            [("spec", "tenant-address"), ("spec", "tenant-credentials")],
        ),
        (
            "Tenant",
            {"limits": {"requestsPerSecond": 0, "parallelism": 99}},
            [
                ("spec.limits.parallelism", "bad-form"),
                ("spec.limits.requestsPerSecond", "bad-form"),
            ],
        ),
        ("Tenant", {"baseUrl": "http://example.com/api"}, [("spec.baseUrl", "url")]),
        ("Tenant", {"baseUrl": "http://localhost:x@example.com"}, [("spec.baseUrl", "url")]),
        ("Tenant", {"baseUrl": "https://example.com:99999"}, [("spec.baseUrl", "url")]),
        ("Tenant", {"baseUrl": "https://example.com/api\n"}, [("spec.baseUrl", "url")]),
        ("Tenant", {"baseUrl": "http://127.0.0.1:8080/api/v2"}, []),
        ("Tenant", {"baseUrl": "http://[::1]:8080/api/v2"}, []),
        ("Policy", {"maxReleases": {"share": 0.01}}, [("spec.maxReleases.share", "wrong-type")]),
        ("Policy", {"maxReleases": {"count": -1}}, [("spec.maxReleases.count", "bad-form")]),
        ("Policy", {"maxReleases": {"count": True}}, [("spec.maxReleases.count", "wrong-type")]),
        ("Policy", {"releaseWithin": "P1M"}, [("spec.releaseWithin", "time")]),
        (
            "Policy",
            {"freeze": [{"from": "2029-12-20", "to": "2030-01-02", "why": "x"}]},
            [("spec.freeze.0.from", "time")],
        ),
    ],
)
def test_a_fault_has_a_path_and_a_code(
    kind: str, spec: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Each thing that a schema does not allow is told once, with where it is."""
    assert expected == told(kind, **spec)


def test_all_faults_are_told_at_once_in_the_order_of_the_list() -> None:
    """Ten contacts with a fault each give ten faults, the second before the tenth."""
    contacts = [{"phone": "x", "email": "a@example.com"}] * 11

    faults = schema.check(document("SuppressionList", contacts=contacts), "SuppressionList")

    assert list(range(11)) == [fault.path[2] for fault in faults]


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        (
            "SuppressionList",
            {"contacts": [{"phone": "+12125550142", "email": "a@example.com"}]},
            "unknown key `phone`; did you mean `phoneNumber`?",
        ),
        (
            "SuppressionList",
            {"contacts": [{"phoneNumber": 12125550142}]},
            "found a number, expected a text; put it in quotes, so that it stays a text",
        ),
        (
            "SuppressionList",
            {"defaults": {"reason": "DCN"}},
            (
                "found `DCN`, expected one of COMPLIANCE, DNC, UNSUBSCRIBE, CUSTOMER_REQUEST,"
                " BOUNCE; did you mean DNC?"
            ),
        ),
        (
            "SuppressionList",
            {"list": {"suppressUntil": "31/12/2029"}},
            (
                "found `3••••029`, expected never, a date (2029-12-31)"
                " or a time (2029-12-31T23:59:59Z)"
            ),
        ),
        (
            "SuppressionList",
            {"list": {"suppressUntil": "2029-12-31T25"}},
            (
                "found `2029-12-31T25`, expected never, a date (2029-12-31)"
                " or a time (2029-12-31T23:59:59Z)"
            ),
        ),
        ("SuppressionList", {"list": None}, "found nothing, expected a mapping"),
        ("SuppressionList", {"sources": [{}]}, "`path` is missing"),
        (
            "Tenant",
            {"dialect": "dnc-group"},
            "found `dnc-group`, expected one of lists, dnc-groups; did you mean dnc-groups?",
        ),
        ("Tenant", {"embedded": "yes"}, "found `yes`, expected true or false"),
        ("Policy", {"maxReleases": {"count": -1}}, "found `-1`, expected at least 0"),
        ("Policy", {"allowEmpty": [["a"]]}, "found a list, expected a text"),
    ],
)
def test_a_message_says_what_was_found_and_what_was_expected(
    kind: str, spec: dict[str, Any], expected: str
) -> None:
    """The value is shown where it is harmless, the nearest known word is suggested."""
    if kind == "Tenant":
        spec = {
            "subdomain": "a",
            "credentials": {"clientId": "env:A", "clientSecret": "env:B"},
        } | spec

    assert expected == message(kind, **spec)


@pytest.mark.parametrize("value", [SECRET, 271828182845])
def test_a_literal_secret_has_its_own_code_and_is_never_shown(value: object) -> None:
    """Whatever stands where a reference belongs does not come out."""
    given_keys = {"clientId": value, "clientSecret": value}
    hooks = [{"url": f"https://u:{value}@example.com", "secret": value}]

    faults = schema.check(document("Tenant", credentials=given_keys, webhooks=hooks), "Tenant")

    assert 4 == len(faults)
    assert ({"literal-secret", "url"} if value == SECRET else {"wrong-type", "url"}) == {
        fault.code for fault in faults
    }
    assert str(value) not in str(faults)


@settings(deadline=None)
@given(
    st.one_of(
        st.from_regex(r"\+?1?[ (.-]?[2-9][0-9]{2}[) .-]{0,2}555[ .-]?01[0-9]{2}", fullmatch=True),
        st.from_regex(r"tel[0-9]{10,15}x", fullmatch=True),
        st.emails(),
    )
)
def test_an_address_in_a_wrong_place_is_not_shown(address: str) -> None:
    """A column shifted by one must not spread addresses into messages."""
    local = address.partition("@")[0]

    faults = schema.check(
        document(
            "SuppressionList",
            ownership=address,
            defaults={"reason": address, "region": address, "suppressUntil": address},
            contacts=[{address: address, "email": "a@example.com"}],
        ),
        "SuppressionList",
    )

    assert 5 == len(faults)
    assert not any(address in fault.message for fault in faults)
    assert len(local) <= 3 or not any(f"{local}@" in fault.message for fault in faults)


values = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.sampled_from(
        ["DNC", "never", "2029-12-31", "2029-12-31T10:00Z", "P1Y", "P", "2029-12-31\n", "dnc"]
    ),
)
contact_keys = st.sampled_from(
    ["email", "phoneNumber", "reason", "suppressUntil", "requestedAt", "phone", "name"]
)
whole_release = st.fixed_dictionaries(
    {"email": st.just("a@example.com"), "basis": st.just("asked"), "ticket": st.just("T-1")}
    | {"requestedBy": st.just("team"), "requestedAt": st.just("2029-12-31")}
)
release_keys = st.sampled_from(
    ["email", "phoneNumber", "basis", "ticket", "requestedBy", "requestedAt", "suppressUntil", "x"]
)
items = {
    "contacts": st.one_of(values, st.dictionaries(contact_keys, values)),
    "releases": st.one_of(
        values,
        st.dictionaries(release_keys, values),
        st.builds(dict[str, Any].__or__, whole_release, st.dictionaries(release_keys, values)),
    ),
}


@pytest.mark.parametrize("key", ["contacts", "releases"])
@settings(deadline=None)
@given(data=st.data())
def test_the_short_cut_for_many_items_agrees_with_the_schema(key: str, data: st.DataObject) -> None:
    """A contact or release is valid by the quick test exactly if the schema finds no fault."""
    many = data.draw(st.lists(items[key], max_size=4))
    given_list = document("SuppressionList", **{key: many})
    patterns = Draft202012Validator(json.loads(schema.text("SuppressionList")))

    faults = schema.check(given_list, "SuppressionList")

    plain = {error.absolute_path[2] for error in patterns.iter_errors(given_list)}
    final_feed = {
        index
        for index, item in enumerate(many)
        if isinstance(item, dict) and "2029-12-31\n" in item.values()
    }
    assert plain - final_feed == {fault.path[2] for fault in faults} - final_feed


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@settings(deadline=None)
@given(json_values, st.sampled_from(schema.KINDS))
def test_any_document_can_be_checked(anything: object, kind: str) -> None:
    """Whatever the document is, the answer is faults."""
    assert schema.check(anything, kind)
    assert schema.check(document(kind) | {"spec": anything}, kind) is not None


def test_an_unknown_kind_is_told_with_the_nearest() -> None:
    """A slip of the finger is answered with the kind that is meant."""
    with pytest.raises(UsageError, match="there is no kind `suppression-lst`") as raised:
        schema.text("suppression-lst")

    assert "did you mean SuppressionList?" == raised.value.hint


def test_no_suggestion_is_made_where_nothing_is_near() -> None:
    """A wild guess helps nobody."""
    with pytest.raises(UsageError) as raised:
        schema.text("xyzzy")

    assert "" == raised.value.hint


def test_the_schemas_are_found_beside_the_package(tmp_path: Path) -> None:
    """In a checkout and an editable install they lie at the top level."""
    assert REPOSITORY / "schemas" == schema.folder(REPOSITORY / "reconciler")
    with pytest.raises(ReconcilerError, match="lacks its schemas"):
        schema.folder(tmp_path / "reconciler")


def test_the_schemas_are_found_in_the_package_first(tmp_path: Path) -> None:
    """A wheel carries them inside; a stranger's folder of that name beside it does not count."""
    names = [path.name for path in (REPOSITORY / "schemas").glob("*.json")]
    for folder in ("schemas", "reconciler/schemas"):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).touch()

    assert tmp_path / "reconciler/schemas" == schema.folder(tmp_path / "reconciler")


def test_a_text_of_a_schema_is_the_file_itself() -> None:
    """What is printed is what lies on disk."""
    expected = (REPOSITORY / "schemas/policy.schema.json").read_text(encoding="utf-8")

    assert expected == schema.text("Policy")
