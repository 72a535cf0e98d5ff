"""What verifying says of signatures, of what was pruned, of other keys and of old ledgers."""

import hashlib
from dataclasses import replace
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engines import KEY
from reconciler import ledger
from reconciler.artifacts import dumps, kept
from reconciler.contacts.engine import fingerprint
from reconciler.signing import Checker, Signer
from reconciler.store import DirectoryStore
from reconciler.verifying import Finding, Verification, verify
from worlds import running

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
SIGNER, CHECKER = Signer(PRIVATE), Checker(PRIVATE.public_key())
KEYS = {fingerprint(KEY): KEY}


def line(state: Path, signer: Signer | None = None) -> str:
    """Add a run with one table to the ledger, and return its id."""
    with running(folder=state) as run:
        (run.tables("us") / "gap.parquet").write_bytes(b"rows")
        ledger.append(replace(run, signer=signer), outcome="done", exit_code=0)
        return run.id


def checked(state: Path, *checkers: Checker) -> Verification:
    """Verify with these public keys."""
    return verify(DirectoryStore(state), state, keys=KEYS, checkers=checkers)


def test_lines_before_the_first_signed_one_are_counted(tmp_path: Path) -> None:
    """A key is given one day; what stood there before is no finding."""
    for signer in (None, None, SIGNER, SIGNER):
        line(tmp_path, signer)

    found = checked(tmp_path, CHECKER)

    assert ((), 2, 2) == (found.findings, found.signed, found.unsigned_before)


def test_a_line_without_a_signature_after_a_signed_one_is_a_finding(tmp_path: Path) -> None:
    """Somebody without the key wrote it."""
    for signer in (SIGNER, None):
        line(tmp_path, signer)

    found = checked(tmp_path, CHECKER)

    assert (Finding(file="ledger/00000002.json", what="unsigned"),) == found.findings
    assert checked(tmp_path).whole


def test_a_ledger_that_nobody_signed_is_a_finding_where_a_key_is_given(tmp_path: Path) -> None:
    """All signatures may have been taken away."""
    line(tmp_path)

    assert ["ledger"] == [one.file for one in checked(tmp_path, CHECKER).findings]


def test_keys_that_were_used_one_after_another_are_all_given(tmp_path: Path) -> None:
    """One that is not given proves nothing."""
    for signer in (SIGNER, Signer(OTHER)):
        line(tmp_path, signer)

    assert checked(tmp_path, CHECKER, Checker(OTHER.public_key())).whole
    (found,) = checked(tmp_path, CHECKER).findings
    assert ("ledger/00000002.json", "unproven") == (found.file, found.what)


def test_a_line_made_anew_without_the_key_does_not_fit_its_signature(tmp_path: Path) -> None:
    """However well chain, witness and its own digest were computed."""
    line(tmp_path, SIGNER)
    path = tmp_path / "ledger" / "00000001.json"
    held = orjson.loads(path.read_bytes()) | {"outcome": "refused"}
    forged = dumps(held | {"digest": hashlib.sha256(ledger.canonical(held)).hexdigest()})
    path.write_bytes(forged)
    (tmp_path / "head.json").write_bytes(ledger.witness(1, hashlib.sha256(forged).hexdigest()))

    (found,) = checked(tmp_path, CHECKER).findings

    assert checked(tmp_path).whole
    assert ("ledger/00000001.json", "unproven") == (found.file, found.what)


def test_what_a_later_line_says_was_pruned_is_not_missing(tmp_path: Path) -> None:
    """With its digest; what was put in its place is altered."""
    name = line(tmp_path)
    artifacts = orjson.loads((tmp_path / "ledger" / "00000001.json").read_bytes())["artifacts"]
    removed = {kept(name, one): digest for one, digest in artifacts.items()}
    with running(folder=tmp_path) as run:
        ledger.note(run, "pruned", removed=removed)
        ledger.append(run, outcome="done", exit_code=0)
    for one in artifacts:
        (tmp_path / "runs" / name / one).unlink()

    found = checked(tmp_path)
    (tmp_path / "runs" / name / "run.json").write_bytes(b"{}")

    assert ((), 2) == (found.findings, found.pruned)
    assert [kept(name, "run.json")] == [one.file for one in checked(tmp_path).findings]


def test_a_table_under_a_key_that_is_not_at_hand_is_told(tmp_path: Path) -> None:
    """It cannot be checked, which is no finding."""
    line(tmp_path)

    found = verify(DirectoryStore(tmp_path), tmp_path, keys={})

    assert ((), 1) == (found.findings, found.other_key)


def test_tables_of_another_machine_are_told(tmp_path: Path) -> None:
    """They never leave it."""
    line(tmp_path)

    found = verify(DirectoryStore(tmp_path), tmp_path / "another", keys=KEYS)

    assert ((), 1) == (found.findings, found.elsewhere)


def test_a_run_under_way_is_no_finding_and_a_dead_one_is(tmp_path: Path) -> None:
    """Until the next run writes it down."""
    with running(folder=tmp_path) as run:
        pass

    alive = verify(DirectoryStore(tmp_path), tmp_path, keys=KEYS, living=lambda: {run.id})

    assert ((), 1) == (alive.findings, alive.alive)
    assert [f"runs/{run.id}"] == [one.file for one in checked(tmp_path).findings]


def test_a_ledger_of_the_first_format_is_verified(tmp_path: Path) -> None:
    """It has no witness, no digests of its own, and plain digests of tables."""
    name = line(tmp_path)
    path = tmp_path / "ledger" / "00000001.json"
    held = orjson.loads(path.read_bytes())
    plain = held["artifacts"] | {"tables/us/gap.parquet": hashlib.sha256(b"rows").hexdigest()}
    old = {key: told for key, told in held.items() if key not in {"origin", "digest"}}
    path.write_bytes(dumps(old | {"format": 1, "artifacts": plain}))
    (tmp_path / "head.json").unlink()

    whole = checked(tmp_path)
    (tmp_path / "runs" / name / "tables" / "us" / "gap.parquet").write_bytes(b"other rows")

    assert whole.whole
    assert "" == ledger.past(DirectoryStore(tmp_path)).doubt
    assert [kept(name, "tables/us/gap.parquet")] == [one.file for one in checked(tmp_path).findings]
