"""The sandbox: an honest small copy of the service's dialect ``lists``, for trying and testing.

It belongs here to behave as the service does, on request badly. It must never import
``reconciler.api`` nor anything that knows what our program wants: callers meet over HTTP, or
through the WSGI app.
"""

from reconciler.sandbox.app import app
from reconciler.sandbox.faults import GRAMMAR, Fault, parse
from reconciler.sandbox.others import Stranger, ensure_list, list_ids, stranger
from reconciler.sandbox.serve import serve, serving

__all__ = [
    "GRAMMAR",
    "Fault",
    "Stranger",
    "app",
    "ensure_list",
    "list_ids",
    "parse",
    "serve",
    "serving",
    "stranger",
]
