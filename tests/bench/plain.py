"""A plan as a good programmer writes it without this product: csv, two libraries, two dicts.

Run as ``-m tests.bench.plain DESIRED.csv OBSERVED.txt``. The observed side it gets normalised, as
the product's cache holds it. Prints the counts as JSON.
"""

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import email_validator
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

_NEVER = float("inf")
_ORDER = ("COMPLIANCE", "DNC", "UNSUBSCRIBE", "CUSTOMER_REQUEST", "BOUNCE")

email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def phone(text: str) -> str | None:
    """Return a number in E.164."""
    try:
        number = phonenumbers.parse(text, "US")
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or any(each.isalpha() for each in text[4:]):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def email(text: str) -> str | None:
    """Return an email in lower case, its domain in ASCII."""
    try:
        parts = email_validator.validate_email(text.strip(), check_deliverability=False)
    except email_validator.EmailNotValidError:
        return None
    return f"{parts.local_part.lower()}@{parts.ascii_domain}"


def ends(text: str) -> float:
    """Return the end as seconds since 1970 UTC."""
    if not text:
        return _NEVER
    if "T" not in text:
        return (
            datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
        ).timestamp() - 1
    return datetime.fromisoformat(text).timestamp()


def desired(path: Path) -> tuple[dict[str, tuple[float, str]], int, int]:
    """Return who is wanted, and how many rows were merged and invalid."""
    wanted: dict[str, tuple[float, str]] = {}
    merged = invalid = 0
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            address = email(row["email"]) if row["email"] else phone(row["phoneNumber"])
            if address is None:
                invalid += 1
                continue
            found = ends(row["suppressUntil"]), row["reason"] or "DNC"
            held = wanted.get(address)
            merged += held is not None
            if held is None or (found[0], -_ORDER.index(found[1])) > (
                held[0],
                -_ORDER.index(held[1]),
            ):
                wanted[address] = found
    return wanted, merged, invalid


def observed(path: Path) -> dict[str, tuple[float, str]]:
    """Return who is on the list."""
    with path.open(encoding="utf-8") as file:
        rows = (line.rstrip("\n").split("\t") for line in file)
        return {address: (float(end or "inf"), reason) for address, reason, end in rows}


def main(words: list[str]) -> None:
    """Compare the two."""
    wanted, merged, invalid = desired(Path(words[0]))
    held = observed(Path(words[1]))
    counts = {"suppress": 0, "amend": 0, "merged": merged, "invalid": invalid}
    for address, (end, reason) in wanted.items():
        there = held.get(address)
        if there is None:
            counts["suppress"] += 1
        elif end > there[0] or reason != there[1]:
            counts["amend"] += 1
    counts["surplus"] = sum(address not in wanted for address in held)
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
