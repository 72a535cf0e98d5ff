"""What a new folder holds: specs, a contact file, schemas, so that planning works at once.

Every number and address here is made up. It opens no file; ``laying`` puts in place what this says.
"""

from collections.abc import Mapping
from typing import Any, Final

from reconciler import schema
from reconciler.spec.writing import written

IGNORE: Final = ".gitignore"
CONTACTS: Final = "specs/contacts/do-not-call.csv"

_SCHEMAS: Final = {
    "Tenant": "tenant.schema.json",
    "Policy": "policy.schema.json",
    "SuppressionList": "suppression-list.schema.json",
}
_LINE: Final = "# yaml-language-server: $schema=../schemas/{}\n"
"""By this an editor completes and explains; from any checkout, without a network."""

_IGNORED: Final = """\
# what runs leave: evidence, and copies of contacts
.reconciler/
"""

_TENANT: Final = """\
# A Tenant is an account at the service. This one is the sandbox, a small copy of the service inside
# the program itself: it needs no address and no credentials, so everything can be tried at once.
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: sandbox}
spec:
  embedded: true
# Your own looks like this; secrets stand in the environment or in files, never here:
#   subdomain: acme # https://acme.api.cxone.com/api/v2
#   credentials: {clientId: env:CXONE_CLIENT_ID, clientSecret: env:CXONE_CLIENT_SECRET}
"""

_POLICY: Final = """\
# The Policy bounds what one run may do to one list; a run over it is refused and says how to allow
# it once. Nothing here ever holds back a suppression but maxSuppressions.
apiVersion: reconciler/v1
kind: Policy
metadata: {name: default}
spec:
  maxReleases: {share: 1%, count: 100} # both bind; to shorten somebody's suppression counts too
  maxSuppressions: {count: 1000000}
  releaseWithin: P14D # how long a release that was declared may wait to be carried out
"""

_LIST: Final = """\
# A SuppressionList says who must not be contacted. A run suppresses who is missing on the service.
apiVersion: reconciler/v1
kind: SuppressionList
metadata:
  name: do-not-call # our key of the list; it never changes
  labels: {team: outbound} # to select by: reconciler plan --label team=outbound
spec:
  tenant: sandbox
  create: true # found by its name below, and created where it is not there; or give its listId
  list:
    name: Do Not Call
    suppressUntil: never # the list's own end; without this line it is left to others
  defaults: {reason: DNC, region: US} # for rows that say nothing; region: of numbers without +
  contacts: # a few may stand here
    - {phoneNumber: "+1 212 555 0101"}
    - {email: ada.moreno@example.com, reason: UNSUBSCRIBE}
    - {phoneNumber: (312) 555-0102, suppressUntil: 2035-12-31} # until the end of that day, UTC
  sources: # many belong into files: csv, ndjson, parquet, also packed
    - path: contacts/do-not-call.csv
  ownership: additive # who is on the list but not declared here stays, and is reported
  # Deleting a contact never lets anybody be called again. A release does, once and with a reason,
  # for somebody who is declared nowhere any more:
  # releases:
  #   - phoneNumber: "+1 212 555 0101"
  #     basis: written re-consent
  #     ticket: LEGAL-1234
  #     requestedBy: privacy team
  #     requestedAt: 2026-11-20
"""

_CONTACTS: Final = """\
email,phoneNumber,reason,suppressUntil,requestedAt
,+12125550110,,,2026-01-15
,+14155550111,COMPLIANCE,,
,(617) 555-0112,CUSTOMER_REQUEST,2034-06-30,2026-03-04
jordan.lee@example.org,,BOUNCE,2032-03-31T12:00:00Z,
sam.okafor@example.net,+17025550113,UNSUBSCRIBE,,2026-03-04
"""


def files(tenant: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the files of a new folder, by their paths in it.

    Args:
        tenant: the document of a Tenant of one's own; then there is no example of a list, since
            nobody wants made-up contacts there.
    """
    made = {
        f"schemas/{name}": schema.text(kind)
        for kind, name in sorted(_SCHEMAS.items(), reverse=True)
    }
    made |= {"specs/policy.yaml": _headed("Policy", _POLICY), IGNORE: _IGNORED}
    if tenant is None:
        return made | {
            "specs/tenant.yaml": _headed("Tenant", _TENANT),
            "specs/do-not-call.yaml": _headed("SuppressionList", _LIST),
            CONTACTS: _CONTACTS,
        }
    return made | {
        "specs/tenant.yaml": written(
            tenant,
            schema=f"../schemas/{_SCHEMAS['Tenant']}",
            head="Secrets stand in the environment or in files, never here.",
        )
    }


def _headed(kind: str, text: str) -> str:
    return _LINE.format(_SCHEMAS[kind]) + text
