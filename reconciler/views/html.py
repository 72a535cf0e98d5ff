"""Plans, receipts and reports as one page for people who never open a terminal; pure.

A page is a single file: no script, nothing fetched, pictures and style inside it. Templates escape
whatever they show, and every text is freed of what cannot be seen before that. It knows no numbers
of its own: ``views.page`` says what stands on a page, this module only makes it markup.
"""

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reconciler.attestation import Attestation
from reconciler.masking import clean
from reconciler.model import Drift, Plan, Receipt
from reconciler.views.page import drifts, pictures, plans, receipts, reports

_DRAWING: Final = {"width": pictures.WIDTH, "height": pictures.HEIGHT}


def plan(made: Plan) -> str:
    """Return the page of a plan: who may be contacted again and why, who is protected."""
    return _rendered("plan.html", plans.page(made))


def receipt(done: Receipt, *, made: Plan | None = None) -> str:
    """Return the page of what a run did.

    Args:
        done: the receipt.
        made: the plan it carried out: its grounds, sizes and feeds stand on the page, too.
    """
    return _rendered("receipt.html", receipts.page(done, made=made))


def drift(found: Drift) -> str:
    """Return the page of how the service differs from the specs, by direction."""
    return _rendered("drift.html", drifts.page(found))


def report(made: Attestation) -> str:
    """Return the page of a period: who was protected in time, and what stands against it."""
    return _rendered("report.html", reports.page(made))


def _rendered(
    template: str,
    page: plans.PlanPage | receipts.ReceiptPage | drifts.DriftPage | reports.ReportPage,
) -> str:
    return _templates().get_template(template).render(page=page, drawing=_DRAWING)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("reconciler.views.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["number"] = _number
    return made


def _seen(value: object) -> object:
    """Return what a template shows, without what moves, turns or hides text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value


def _number(count: int) -> str:
    return f"{count:,}"
