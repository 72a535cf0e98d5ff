"""How one signs in to do-not-call groups: an access key, and where the tenant's service is."""

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

TOKEN_PATH: Final = "/auth/token"  # noqa: S105 - a path, not a secret
CONFIGURATION_PATH: Final = "/.well-known/cxone-configuration"
TENANT: Final = "11eb0000-5a7d-b0c5-0000-0242ac110005"
"""The id of the only tenant there is."""


def add_routes(made: "falcon.App[falcon.Request, falcon.Response]", service: wire.Rooms) -> None:
    """Let an app give tokens for access keys, and say where it is."""
    made.add_route(TOKEN_PATH, _Tokens(service))
    made.add_route(CONFIGURATION_PATH, _Configuration())


@dataclass(frozen=True, slots=True)
class _Tokens:
    service: wire.Rooms

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = urllib.parse.parse_qs(wire.read_body(req, wire.FORM).decode("utf-8", "replace"))
        grant, user, secret = (
            form.get(name, [""])[0] for name in ("grant_type", "username", "password")
        )
        if "wrong" in _client(req):
            _deny(resp, HTTPStatus.UNAUTHORIZED, "invalid_client")
        elif grant != "password":
            _deny(resp, HTTPStatus.BAD_REQUEST, "unsupported_grant_type")
        elif not user or secret in ("", "wrong"):
            _deny(resp, HTTPStatus.BAD_REQUEST, "invalid_grant")
        else:
            self._grant(resp)

    def _grant(self, resp: falcon.Response) -> None:
        now, lifetime = self.service.now().timestamp(), self.service.token_lifetime
        claims = {"sub": secrets.token_hex(8), "tenantId": TENANT}
        token = ".".join((_part({"alg": "RS256"}), _part(claims), secrets.token_urlsafe(32)))
        with data.writing(self.service.database) as connection:
            data.save_token(connection, token, now=now, expires=now + lifetime)
        resp.set_header("Cache-Control", "no-store")
        wire.send_json(
            resp, {"access_token": token, "expires_in": lifetime, "token_type": "Bearer"}
        )


class _Configuration:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.get_param("tenantId") != TENANT:
            raise falcon.HTTPNotFound(title="NOT_FOUND", description="no such tenant")
        wire.send_json(resp, {"api_endpoint": req.prefix, "tenant_id": TENANT})


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
    resp.status = code
    wire.send_json(resp, {"error": error, "error_description": error.replace("_", " ")})
