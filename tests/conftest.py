"""What all tests share: an environment in which nobody reaches a real AWS, and the local stack on demand."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from local.stack import Ports, Settings, Stack

settings.register_profile(
    "steady",
    deadline=None,  # a shared machine is slow now and then, which is no finding
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("steady"), max_examples=2000)
settings.register_profile("fuzz", settings.get_profile("steady"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _no_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, so that a forgotten endpoint fails instead of writing somewhere."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack on free ports, started once for all tests that ask; waits between retries are shortened."""
    home = tmp_path_factory.mktemp("stack")
    with Stack(Settings(home=home, ports=Ports.free(), wait_scale=0.05, say=lambda text: None)) as started:
        yield started
        from tests.journeys.traces import people_in_logs

        assert people_in_logs(started) == [], "after all tests of the stack"
