"""What every contract test needs: the secrets that its tenants refer to."""

import pytest
from services import CLIENT


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the client's made-up credentials into the environment."""
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)
