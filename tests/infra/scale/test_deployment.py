"""The parameters of the stack are those of the template: with another template, other figures."""

import pytest
from msgspec.structs import replace

from infra.cost.command import deployed_load
from infra.cost.prices import load_prices
from infra.cost.routes import ROUTES
from infra.cost.sums import make_bill
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.scale.backlog import simulate_backlog
from infra.scale.deployment import read_deployment
from infra.scale.limits import LIMITS
from infra.scale.outcome import Load
from infra.scale.scenarios import deployed_stack
from infra.scale.uploads import simulate_uploads


@pytest.fixture(name="deployed", scope="module")
def _deployed():
    return read_deployment()


@pytest.mark.parametrize(
    ("before", "after", "field", "value"),
    [
        ("BatchSize: 100", "BatchSize: 50", "batch_objects", 50),
        ("MaximumBatchingWindowInSeconds: 2", "MaximumBatchingWindowInSeconds: 5", "window_s", 5),
        ("MaximumConcurrency: 10", "MaximumConcurrency: 20", "max_concurrency", 20),
        ("VisibilityTimeout: 960", "VisibilityTimeout: 5400", "visibility_s", 5400),
        ("maxReceiveCount: 8", "maxReceiveCount: 3", "max_receives", 3),
        ("MemorySize: 1769", "MemorySize: 512", "memory_mb", 512),
        ("Timeout: 900 #", "Timeout: 300 #", "timeout_s", 300),
        ('Default: "16"', 'Default: "20"', "backlog_concurrency", 20),
        ('Default: "5"', 'Default: "10"', "tolerated_percent", 10),
        ("QUEUE_URL:", "S3_CONCURRENCY: 8\n          QUEUE_URL:", "s3_concurrency", 8),
    ],
)
def test_each_parameter_is_read(tmp_path, deployed, before, after, field, value):
    text = TEMPLATE.read_text()
    assert text.count(before) == 1
    (tmp_path / "template.yaml").write_text(text.replace(before, after))

    deployment = read_deployment(tmp_path / "template.yaml")

    assert getattr(deployment, field) == value
    assert replace(deployment, **{field: getattr(deployed, field)}) == deployed


def test_another_template_gives_other_figures(tmp_path):
    (tmp_path / "template.yaml").write_text(TEMPLATE.read_text().replace("MaximumConcurrency: 10", "MaximumConcurrency: 5"))
    load = Load(objects=50_000)
    before = simulate_uploads(load, deployed_stack())
    after = simulate_uploads(load, deployed_stack(read_deployment(tmp_path / "template.yaml")))

    assert after.seconds == pytest.approx(2 * before.seconds, rel=0.1)


def test_a_template_without_a_parameter_is_refused(tmp_path):
    (tmp_path / "template.yaml").write_text(TEMPLATE.read_text().replace("BatchSize: 100", ""))

    with pytest.raises(InfraError, match="BatchSize"):
        read_deployment(tmp_path / "template.yaml")


@pytest.mark.parametrize(
    ("route", "simulate", "load", "images"),
    [
        ("queue", simulate_uploads, Load(objects=100_000), 100_000),
        ("packed", simulate_uploads, Load(objects=1_000, images=1_000), 1_000_000),
        ("backlog", simulate_backlog, Load(objects=1_000_000), 1_000_000),
        ("backlog-packed", simulate_backlog, Load(objects=100_000, images=1_000, object_bytes=784_000), 100_000_000),
    ],
)
def test_dollars_are_those_of_the_command_cost(route, simulate, load, images):
    """Its invocations take as long as the measured ones; the simulated ones differ by some percent, and start cold."""
    stack, prices = deployed_stack(limits=replace(LIMITS, partitions=100)), load_prices()
    (found,) = (one for one in ROUTES if one.name == route)

    bill = make_bill(found, deployed_load(images), prices, stack.times)
    assert simulate(load, stack).counts.dollars(prices, stack.deployment.memory_mb) == pytest.approx(bill.dollars, rel=0.04)
