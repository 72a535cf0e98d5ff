"""Everything that goes wrong with a request, by name, and with which kinds of request."""

from batch_faults import with_a_batch
from ingredients import Fault
from service_faults import at_the_service
from wire_faults import on_the_wire


def every() -> tuple[Fault, ...]:
    """Return all of them; no two have one name."""
    faults = (*on_the_wire(), *at_the_service(), *with_a_batch())
    assert len(faults) == len({each.name for each in faults})
    return faults
