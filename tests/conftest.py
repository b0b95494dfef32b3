"""Every test ends the tasks that it starts. Nothing is asked over TLS. Servers are started once for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import certifi
import hypothesis
import pytest

from tests.servers import PostgresServer, RedisServer, start_postgres, start_redis

# Programs that tests start; they are nothing to be imported.
collect_ignore = ['serve/prefect_flow.py', 'serve/workflow_worker.py']

# How long an example takes says more of the machine than of the code.
too_slow = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile('any', hypothesis.settings(), deadline=None, suppress_health_check=too_slow)
hypothesis.settings.load_profile('any')

END_OF_CERTIFICATE = '-----END CERTIFICATE-----\n'


@pytest.fixture(autouse=True)
def every_test_ends_its_tasks(no_task_left: None) -> None: ...


@pytest.fixture(scope='session', autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """A shell that starts the tests in the background has them, and what they start, ignore it."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope='session', autouse=True)
def one_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each client reads all certificate authorities, 20 ms at a time, and a test makes several clients of a server
    without TLS: a third of their time went there."""
    first, end, _ = Path(certifi.where()).read_text('utf-8').partition(END_OF_CERTIFICATE)
    file = tmp_path_factory.mktemp('certificates') / 'one.pem'
    file.write_text(first + end, 'utf-8')
    with pytest.MonkeyPatch.context() as environment:
        if 'SSL_CERT_FILE' not in os.environ:
            environment.setenv('SSL_CERT_FILE', str(file))
        yield


@pytest.fixture(scope='session', autouse=True)
def mlflow_tells_nobody() -> Iterator[None]:
    """MLflow reports that it is used as soon as it is imported, also from a kernel or a program that tests start."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv('MLFLOW_DISABLE_TELEMETRY', 'true')
        yield


@pytest.fixture(scope='session')
def postgres_server() -> Iterator[PostgresServer]:
    with start_postgres() as server:
        yield server


@pytest.fixture(scope='session')
def redis_server() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server
