"""The bytes of contact files, good and hostile: packed, of other encodings, of other kinds."""

import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEAD = b"email,phoneNumber,reason,suppressUntil,requestedAt\n"
ROW = b"a@example.com,,,,\n"
GOOD = HEAD + ROW
JSON = b'{"email": "a@example.com"}\n'


def gz(content: bytes) -> bytes:
    """Return content packed with gzip."""
    return gzip.compress(content, mtime=0)


def zst(content: bytes) -> bytes:
    """Return content packed with zstd."""
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return bytes(packed.getvalue())


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    """Return a Parquet file of these columns."""
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written, **how)
    return written.getvalue()
