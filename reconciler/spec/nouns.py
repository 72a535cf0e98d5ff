"""Drafts of Tenants and Policies into nouns; what only code can judge is judged on the way."""

from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler import model
from reconciler.masking import scrub
from reconciler.schema import seen
from reconciler.spec.codes import Code
from reconciler.spec.draft import Draft

_NOWHERE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that could not be read; its draft has a problem and is never used."""
_GROUPS: Final = "dnc-groups"
_ISSUER: Final = "https://cxone.niceincontact.com/auth/token"
"""Where tokens of that dialect are issued, but for some regions."""
_WAYS: Final = ("subdomain", "baseUrl", "tokenUrl", "credentials")
"""What an embedded tenant has no use for."""
_ACCESS_KEY: Final = ("accessKeyId", "accessKeySecret")


def tenant(draft: Draft) -> model.Tenant:
    """Make a Tenant; one whose draft has errors is not to be used."""
    spec = _part(draft, "spec")
    embedded = spec.get("embedded") is True
    _report_unused(draft, embedded=embedded)
    dialect = draft.text("spec", "dialect") or "lists"
    base, token = ("", "") if embedded else _addresses(draft, dialect)
    return model.Tenant(
        name=draft.text("metadata", "name"),
        place=draft.place(),
        dialect=dialect,
        embedded=embedded,
        base_url=base,
        token_url=token,
        credentials=None if embedded else _credentials(draft),
        limits=_limits(draft),
        compress_requests=spec.get("compressRequests") is True,
        webhooks=tuple(
            model.Webhook(url=draft.text(*path, "url"), secret=draft.text(*path, "secret"))
            for path in draft.items("spec", "webhooks")
        ),
    )


def policy(draft: Draft) -> model.Policy:
    """Make the Policy; what it leaves out has the defaults of ``model.Policy``."""
    plain = model.Policy()
    count = draft.value("spec", "maxReleases", "count")
    suppressions = draft.value("spec", "maxSuppressions", "count")
    within = draft.duration("spec", "releaseWithin")
    if within is not None and not within:
        draft.report(
            Code.TIME, "found no time at all, expected P14D or so", "spec", "releaseWithin"
        )
    return model.Policy(
        place=draft.place(),
        max_release_share=share(draft, "spec", "maxReleases", "share", absent="1%"),
        max_release_count=plain.max_release_count if count is None else int(count),
        max_suppressions=plain.max_suppressions if suppressions is None else int(suppressions),
        allow_empty=tuple(_part(draft, "spec", "allowEmpty", empty=())),
        freeze=tuple(_freeze(draft, path) for path in draft.items("spec", "freeze")),
        release_within=plain.release_within if within is None else within,
        places=MappingProxyType(
            {key: draft.document.key_place(("spec", key)) for key in _part(draft, "spec")}
        ),
    )


def share(draft: Draft, *path: str | int, absent: str) -> Decimal:
    """Return a percentage as a share from 0 to 1."""
    return Decimal((draft.text(*path) or absent).removesuffix("%")) / 100


def _part(draft: Draft, *path: str | int, empty: Any = MappingProxyType({})) -> Any:
    """Return a mapping or list of a draft, an empty one where it is absent or wrong."""
    value = draft.value(*path)
    return value if isinstance(value, dict | list) else empty


def _report_unused(draft: Draft, *, embedded: bool) -> None:
    """Warn of what looks as if a tenant went somewhere else than it does."""
    groups = draft.text("spec", "dialect") == _GROUPS
    if not draft.text("spec", "dialect") and "dialect" in _part(draft, "spec"):
        return  # nobody knows which was meant
    unused: list[tuple[str, ...]] = [(key,) for key in _WAYS]
    who = "an embedded tenant"
    if not embedded and groups:
        who, unused = f"a tenant that speaks {_GROUPS}", [("subdomain",)]
    elif not embedded:
        who, unused = "a tenant that speaks lists", [("credentials", key) for key in _ACCESS_KEY]
    for path in unused:
        if draft.value("spec", *path) is not None:
            said = f"{who} does not use `{path[-1]}`"
            draft.report(Code.UNUSED, said, "spec", *path, warning=True)


def _addresses(draft: Draft, dialect: str) -> tuple[str, str]:
    """Return where the service is, empty where it is to be found, and where tokens are issued."""
    if dialect == _GROUPS:
        token = draft.text("spec", "tokenUrl").rstrip("/")
        return draft.text("spec", "baseUrl").rstrip("/"), token or _ISSUER
    host = f"https://{draft.text('spec', 'subdomain')}.api.cxone.com"
    given = draft.text("spec", "baseUrl").rstrip("/")
    if given and not draft.text("spec", "subdomain"):
        parts = urlsplit(given)
        host = f"{parts.scheme}://{parts.netloc}"
    token = draft.text("spec", "tokenUrl").rstrip("/")
    return given or f"{host}/api/v2", token or f"{host}/oauth/token"


def _credentials(draft: Draft) -> model.Credentials:
    return model.Credentials(
        client_id=draft.text("spec", "credentials", "clientId"),
        client_secret=draft.text("spec", "credentials", "clientSecret"),
        access_key_id=draft.text("spec", "credentials", "accessKeyId"),
        access_key_secret=draft.text("spec", "credentials", "accessKeySecret"),
    )


def _limits(draft: Draft) -> model.Limits:
    """Return a tenant's limits, each with its default where it is absent."""
    given = _part(draft, "spec", "limits")
    plain = model.Limits()
    return model.Limits(
        requests_per_second=_number(given.get("requestsPerSecond"), plain.requests_per_second),
        parallelism=int(_number(given.get("parallelism"), plain.parallelism)),
        timeout_seconds=_number(given.get("timeoutSeconds"), plain.timeout_seconds),
    )


def _number(value: Any, absent: float) -> float:
    return float(value) if isinstance(value, int | float) else absent


def _freeze(draft: Draft, path: tuple[str | int, ...]) -> model.Freeze:
    """Make a window in which nothing is released."""
    start, end = draft.time(*path, "from"), draft.time(*path, "to")
    if start and end and end <= start:
        said = f"ends at {seen(draft.text(*path, 'to'))}, which is not after it begins"
        draft.report(Code.FREEZE, said, *path, "to")
    return model.Freeze(
        start=start or _NOWHERE,
        end=end or _NOWHERE,
        why=scrub(draft.text(*path, "why")),
        place=draft.place(*path),
    )
