"""The parameters of the stack are those of the template: with another template, other figures."""

import pytest
from msgspec.structs import replace

from infra.cost.command import deployed_load
from infra.cost.prices import load_prices
from infra.cost.routes import QUEUE
from infra.cost.sums import make_bill
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.scale.deployment import read_deployment
from infra.scale.outcome import Load
from infra.scale.scenarios import deployed_stack
from infra.scale.uploads import simulate_uploads


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
        ("QUEUE_URL:", "S3_CONCURRENCY: 8\n          QUEUE_URL:", "s3_concurrency", 8),
    ],
)
def test_each_parameter_is_read(tmp_path, before, after, field, value):
    text = TEMPLATE.read_text()
    assert text.count(before) == 1
    (tmp_path / "template.yaml").write_text(text.replace(before, after))

    deployment = read_deployment(tmp_path / "template.yaml")

    assert getattr(deployment, field) == value
    assert replace(deployment, **{field: getattr(read_deployment(), field)}) == read_deployment()


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


def test_dollars_are_those_of_the_command_cost():
    """Its invocations take as long as the measured ones; the simulated ones differ by some percent, and start cold."""
    stack, prices = deployed_stack(), load_prices()
    load = deployed_load(100_000)
    outcome = simulate_uploads(Load(objects=100_000), stack)

    bill = make_bill(QUEUE, load, prices, stack.times)
    assert outcome.counts.dollars(prices, stack.deployment.memory_mb) == pytest.approx(bill.dollars, rel=0.01)
