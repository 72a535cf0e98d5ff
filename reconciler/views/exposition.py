"""A run's numbers as a text file that Prometheus reads: the one door to its library.

A run is a job that ends, and its file lies there until the next run writes it anew: so each number
is that of the last run and may go down, and all but the calls' times are gauges. A counter that
begins at nought every time would be taken for one that was reset. Each sample names its command,
so that the files of all three can lie in one folder. Nothing here reads or writes a file.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler import __version__
from reconciler.measures import Done, ListMeasures, RunMeasures
from reconciler.record import FORMAT
from reconciler.spec.files import API_VERSION

MOST_CODES: Final = 50
"""How many codes of the service are told apart; the rarer ones count together, as ``other``."""

_PREFIX: Final = "reconciler_"
_SUCCEEDED: Final = "last_success_timestamp_seconds"

METRICS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "build_info": (
            "Always 1: what wrote this file.",
            ("version", "api_version", "receipt_format"),
        ),
        "run_exit_code": ("Exit code of the last run.", ()),
        "run_started_timestamp_seconds": ("When the last run began.", ()),
        "run_finished_timestamp_seconds": ("When the last run ended.", ()),
        _SUCCEEDED: ("When a run last ended with exit code 0, 2 or 3.", ()),
        "run_failed_lists": ("Lists that could not be worked on.", ()),
        "run_refusals": ("What policy withheld, each direction of each list once.", ()),
        "run_conflicts": ("Guarded writes that met a change of somebody else's.", ()),
        "run_errors": ("Requests that failed.", ()),
        "run_retries": ("Requests tried again.", ()),
        "run_waits": ("Waits that the service, or the way to it, made necessary.", ()),
        "run_wait_seconds": ("Seconds spent in such waits.", ()),
        "run_rows_sent": ("Rows sent, repeated ones included.", ()),
        "run_validation_errors": ("Complaints of the service about rows.", ()),
        "run_webhooks_undelivered": ("Events that did not reach their receiver.", ()),
        "run_rejected_rows": ("Rows the service did not take, by its code.", ("code",)),
        "list_updates": ("Rows that the last run put in place.", ("list", "tenant", "op")),
        "list_settings_updated": ("Changes of settings carried out.", ("list", "tenant")),
        "list_complete": ("Whether the list was provably read whole.", ("list", "tenant")),
        "list_contacts_before": ("Addresses the list suppressed.", ("list", "tenant")),
        "list_contacts_after": (
            "Addresses the list suppresses once all has taken effect that was done or planned.",
            ("list", "tenant"),
        ),
        "list_drift_contacts": (
            "Contacts that differed from the spec before the run.",
            ("list", "tenant", "direction"),
        ),
        "list_drift_settings": ("Settings that differed from the spec.", ("list", "tenant")),
        "feed_age_seconds": ("Age of a source, by its asOf.", ("list", "source")),
        "call_duration_seconds": ("How long requests of the last run took.", ("call",)),
    }
)
"""What each metric means, and its labels beside ``command``; names without their prefix."""

_RUN_COUNTS: Final = (
    "conflicts",
    "errors",
    "retries",
    "waits",
    "wait_seconds",
    "rows_sent",
    "validation_errors",
)


def exposition(told: RunMeasures) -> bytes:
    """Return a run's numbers in Prometheus' text format; what is not known has no sample."""
    registry = CollectorRegistry()
    registry.register(_Told(told))
    return generate_latest(registry)


def succeeded(text: str, *, command: str) -> float | None:
    """Return what an earlier file says of the last success of a command, in Unix seconds."""
    line = rf'^{_PREFIX}{_SUCCEEDED}{{command="{re.escape(command)}"}} (\d+(\.\d+)?(e\+?\d\d?)?)$'
    found = re.search(line, text, flags=re.MULTILINE)
    return float(found[1]) if found else None


class _Told(Collector):
    """One run's numbers, as the library asks for them."""

    def __init__(self, told: RunMeasures) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        samples = _samples(self._told)
        for name, (text, labels) in METRICS.items():
            if name == "call_duration_seconds":
                yield _histogram(self._told, text)
                continue
            family = GaugeMetricFamily(_PREFIX + name, text, labels=("command", *labels))
            for values, number in samples.get(name, {}).items():
                family.add_metric((self._told.command, *values), number)
            if family.samples:
                yield family


_Samples = dict[str, dict[tuple[str, ...], float]]
"""Numbers by the values of their labels, by the metric's name."""


def _samples(told: RunMeasures) -> _Samples:
    made: _Samples = {
        "build_info": {(__version__, API_VERSION, str(FORMAT)): 1},
        "run_exit_code": {(): told.exit_code},
        "run_started_timestamp_seconds": {(): _unix(told.started)},
        "run_finished_timestamp_seconds": {(): _unix(told.finished)},
        "run_failed_lists": {(): told.failed_lists},
        "run_refusals": {(): told.refusals},
        "run_webhooks_undelivered": {(): told.webhooks_undelivered},
    }
    made |= {f"run_{name}": {(): told.counts[name]} for name in _RUN_COUNTS if name in told.counts}
    if told.succeeded is not None:
        made[_SUCCEEDED] = {(): told.succeeded}
    dones = [listed.done for listed in told.lists.values() if listed.done]
    made["run_rejected_rows"] = {(code,): count for code, count in _codes(dones).items()}
    for key, listed in told.lists.items():
        for name, (values, number) in _of_list(key, listed):
            made.setdefault(name, {})[values] = number
    return made


def _of_list(key: str, listed: ListMeasures) -> Iterator[tuple[str, tuple[tuple[str, ...], float]]]:
    """Yield the metrics of one list: name, values of labels, number."""
    own = (key, listed.tenant)
    yield "list_complete", (own, listed.complete)
    yield "list_contacts_before", (own, listed.size_before)
    if listed.size_after is not None:
        yield "list_contacts_after", (own, listed.size_after)
    for way, count in listed.drift.items():
        yield "list_drift_contacts", ((*own, way), count)
    yield "list_drift_settings", (own, listed.drift_settings)
    for source, age in listed.feed_age_seconds.items():
        yield "feed_age_seconds", ((key, source), age)
    if listed.done:
        yield "list_settings_updated", (own, listed.done.settings_updated)
        for op, count in listed.done.updates.items():
            yield "list_updates", ((*own, op), count)


def _codes(dones: list[Done]) -> Mapping[str, int]:
    """Return the rejected rows by code, of the most frequent codes; the service makes them up."""
    counted = Counter[str]()
    for code, count in chain.from_iterable(done.rejected_codes.items() for done in dones):
        counted[code] += count
    known = Counter(dict(sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:MOST_CODES]))
    rest = counted.total() - known.total()
    return known + Counter({"other": rest}) if rest else known


def _histogram(told: RunMeasures, text: str) -> HistogramMetricFamily:
    labels = ("command", *METRICS["call_duration_seconds"][1])
    family = HistogramMetricFamily(_PREFIX + "call_duration_seconds", text, labels=labels)
    for kind, calls in told.calls.items():
        buckets = [(f"{most:g}", float(often)) for most, often in calls.buckets.items()]
        buckets.append(("+Inf", float(calls.count)))
        family.add_metric((told.command, kind), buckets, sum_value=calls.total)
    return family


def _unix(when: datetime) -> float:
    return when.timestamp()
