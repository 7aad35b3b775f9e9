"""A deployed stack whose clients of AWS answer what a test says, in the order of the calls."""

import boto3
import pytest
from botocore.stub import Stubber

from handler.backlog.runs import Places
from handler.objects import Prefix
from infra.backlog.deployed import Deployed
from infra.backlog.executions import Executions
from infra.backlog.runs import Runs
from infra.doctor.asking import Cloud
from infra.locations import s3
from infra.stores.memory import MemoryStore

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:coatcheck-backlog"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")


@pytest.fixture(autouse=True)
def _own_store():
    """Each test has a cloud of its own, and a client of S3 that knows it."""
    s3.cache_clear()
    yield
    s3.cache_clear()


@pytest.fixture
def stub(environment):
    """Returns the Stubber of a service's client, and after the test requires that all its answers were asked for."""
    stubs = {}

    def stub(service):
        if service not in stubs:
            client = boto3.client(service, region_name="us-east-1")
            stubs[service] = Stubber(client)
            stubs[service].activate()
        return stubs[service]

    yield stub
    for one in stubs.values():
        one.assert_no_pending_responses()


@pytest.fixture
def deployed(stub):
    clients = {service: stub(service).client for service in ("lambda", "stepfunctions")}
    return Deployed(
        cloud=Cloud("us-east-1", clients=clients),
        stack="coatcheck",
        function="arn:aws:lambda:us-east-1:123456789012:function:coatcheck:live",
        machine=MACHINE,
        places=Places(Prefix("outbox", "results/")),
        parameters={},
    )


@pytest.fixture
def runs(deployed):
    return Runs(deployed, MemoryStore(), Executions(deployed, sleep=lambda _: None))
