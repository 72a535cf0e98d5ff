"""How one signs in: for lists as a client, for groups with an access key; and where the service is.

Whoever presents a token that was given out may do everything.
"""

import base64
import binascii
import secrets
import urllib.parse
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import falcon
import orjson

from reconciler.sandbox import data, wire

CLIENT_PATH: Final = "/oauth/token"
KEY_PATH: Final = "/auth/token"
CONFIGURATION_PATH: Final = "/.well-known/cxone-configuration"
TENANT: Final = "11eb0000-5a7d-b0c5-0000-0242ac110005"
"""The id of the only tenant there is."""

_OPEN: Final = frozenset((CLIENT_PATH, KEY_PATH, CONFIGURATION_PATH))
"""What is answered without a token."""


def add_routes(made: "falcon.App[falcon.Request, falcon.Response]", service: wire.Rooms) -> None:
    """Let an app give tokens, and say where it is."""
    made.add_route(CLIENT_PATH, _Clients(service))
    made.add_route(KEY_PATH, _Keys(service))
    made.add_route(CONFIGURATION_PATH, _Configuration())


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets nobody past the token endpoint without a token."""

    service: wire.Rooms

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Refuse a request without a token."""
        if req.path in _OPEN:
            return
        kind, _, token = (req.auth or "").partition(" ")
        with data.reading(self.service.database) as connection:
            now = self.service.now().timestamp()
            known = data.admit(connection, token.strip(), now=now)
        if kind.lower() != "bearer" or not known:
            raise falcon.HTTPUnauthorized(
                title="UNAUTHORIZED",
                description="no token, or one that is unknown or has expired",
                challenges=['Bearer realm="sandbox"'],
            )


@dataclass(frozen=True, slots=True)
class _Clients:
    service: wire.Rooms

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        grant, client, secret = _form(req, "grant_type", "client_id", "client_secret")
        if grant != "client_credentials":
            _deny(resp, HTTPStatus.BAD_REQUEST, "unsupported_grant_type")
        elif not client or secret in ("", "wrong"):
            _deny(resp, HTTPStatus.UNAUTHORIZED, "invalid_client")
        else:
            _grant(self.service, resp, secrets.token_urlsafe(32))


@dataclass(frozen=True, slots=True)
class _Keys:
    service: wire.Rooms

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        grant, user, secret = _form(req, "grant_type", "username", "password")
        if "wrong" in _client(req):
            _deny(resp, HTTPStatus.UNAUTHORIZED, "invalid_client")
        elif grant != "password":
            _deny(resp, HTTPStatus.BAD_REQUEST, "unsupported_grant_type")
        elif not user or secret in ("", "wrong"):
            _deny(resp, HTTPStatus.BAD_REQUEST, "invalid_grant")
        else:
            claims = {"sub": secrets.token_hex(8), "tenantId": TENANT}
            parts = (_part({"alg": "RS256"}), _part(claims), secrets.token_urlsafe(32))
            _grant(self.service, resp, ".".join(parts))


class _Configuration:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.get_param("tenantId") != TENANT:
            raise falcon.HTTPNotFound(title="NOT_FOUND", description="no such tenant")
        wire.send_json(resp, {"api_endpoint": req.prefix, "tenant_id": TENANT})


def _form(req: falcon.Request, *names: str) -> list[str]:
    """Return fields of a form, empty where they are absent."""
    form = urllib.parse.parse_qs(wire.read_body(req, wire.FORM).decode("utf-8", "replace"))
    return [form.get(name, [""])[0] for name in names]


def _grant(service: wire.Rooms, resp: falcon.Response, token: str) -> None:
    """Give out a token."""
    now, lifetime = service.now().timestamp(), service.token_lifetime
    with data.writing(service.database) as connection:
        data.save_token(connection, token, now=now, expires=now + lifetime)
    resp.set_header("Cache-Control", "no-store")
    wire.send_json(resp, {"access_token": token, "expires_in": lifetime, "token_type": "Bearer"})


def _client(req: falcon.Request) -> tuple[str, str]:
    """Return the client that HTTP Basic names, ``wrong`` where none is."""
    kind, _, given = (req.auth or "").partition(" ")
    try:
        user, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "wrong", "wrong"
    known = kind.lower() == "basic" and user and secret
    return (user, secret) if known else ("wrong", "wrong")


def _part(claims: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=")


def _deny(resp: falcon.Response, code: HTTPStatus, error: str) -> None:
    """Refuse a token the way OAuth does."""
    resp.status = code
    wire.send_json(resp, {"error": error, "error_description": error.replace("_", " ")})
