"""Specs on disk into one ``Spec``: every problem of every file at once, each with its place.

``load`` and ``specs_root`` are the way in. ``documents`` reads YAML, ``composing`` makes data of
its events, ``placed`` knows where everything stands, ``draft`` couples a document with its schema,
``nouns`` and ``lists`` build what ``model`` describes, ``sources`` finds contact files, ``codes``
lists what can be wrong. Nothing here reads a clock, an environment variable, a secret or the
content of a contact file, but to hash one that is pinned.
"""

from reconciler.spec.codes import Code
from reconciler.spec.load import load, specs_root

__all__ = ["Code", "load", "specs_root"]
