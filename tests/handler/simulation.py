"""A queue, its event source and a clock in one process, so that hours of deliveries pass in a second."""

import json
from dataclasses import dataclass, field

from handler.custody import Custody
from handler.deadline import Deadline, TimeBudget
from handler.delivery import Delivery
from handler.errors import OutOfTime
from handler.triggers import parse_event


class Killed(BaseException):
    """The end of the process, which nothing in it catches."""


@dataclass
class Clock:
    """A clock that goes on only when somebody says so."""

    now_s: float = 0.0

    def __call__(self):
        return self.now_s


@dataclass
class Sent:
    """A message in the queue."""

    id: str
    body: object
    visible_at_s: float = 0.0
    receive_count: int = 0


@dataclass
class SimulatedQueue:
    """SQS, as far as the function sees it: messages are hidden while they are worked on, and die after some deliveries."""

    clock: Clock
    max_receive_count: int = 8
    visibility_s: int = 960
    name: str = "work"
    messages: dict[str, Sent] = field(default_factory=dict)
    dead: list[Sent] = field(default_factory=list)
    count: int = 0

    def send(self, messages, *, deadline):
        self._require(deadline)
        for body in messages:
            self.count += 1
            self.messages[f"m{self.count}"] = Sent(f"m{self.count}", body)

    def delete(self, handles, *, deadline):
        self._require(deadline)
        for handle in handles:
            self.messages.pop(handle, None)

    def hide(self, seconds, *, deadline):
        self._require(deadline)
        for handle, wait_s in seconds.items():
            if handle in self.messages:
                self.messages[handle].visible_at_s = self.clock() + wait_s

    def receive(self, count):
        """Takes up to `count` visible messages; if all are hidden, the clock goes on to the first of them."""
        if self.messages and not any(it.visible_at_s <= self.clock() for it in self.messages.values()):
            self.clock.now_s = min(it.visible_at_s for it in self.messages.values())
        batch = []
        for sent in list(self.messages.values()):
            if sent.visible_at_s > self.clock() or len(batch) == count:
                continue
            if sent.receive_count == self.max_receive_count:
                self.dead.append(self.messages.pop(sent.id))
                continue
            sent.receive_count += 1
            sent.visible_at_s = self.clock() + self.visibility_s
            batch.append(sent)
        return batch

    def _require(self, deadline):
        if deadline.is_over:
            raise OutOfTime("Expected time to call the queue. Received: none is left.")


@dataclass
class Worker:
    """Lambda, which invokes the function with the messages of the queue until there are none."""

    queue: SimulatedQueue
    scorer: object
    sweeper: object = None
    timeout_s: float = 900.0
    batch_messages: int = 25
    invocations: list = field(default_factory=list)  # the reports of each, by the object's key; "killed" if it was

    def drain(self, max_invocations=200):
        while self.queue.messages and len(self.invocations) < max_invocations:
            batch = self.queue.receive(self.batch_messages)
            if batch:
                self.invoke(batch)

    def invoke(self, batch):
        clock = self.queue.clock
        ends_at_s = clock() + self.timeout_s
        budget = TimeBudget.of(self.timeout_s, reserve_s=10, answer_s=1, clock=clock)
        reports = {}
        delivery = Delivery(
            request=parse_event({"Records": [record(sent) for sent in batch]}),
            scorer=self.scorer,
            sweeper=self.sweeper,
            custody=Custody(self.queue, budget.finish_by, lambda error: None),
            budget=budget,
            record=lambda named, report: reports.setdefault(named.key, report),
        )
        try:
            answer = delivery.request.reply(delivery.run())
        except Killed:
            self.invocations.append("killed")
            return
        assert clock() <= ends_at_s, "Lambda would have ended it"
        self.invocations.append(reports)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.queue.delete([sent.id for sent in batch if sent.id not in failed], deadline=Deadline.after(60))


def record(sent):
    return {
        "messageId": sent.id,
        "receiptHandle": sent.id,
        "body": json.dumps(sent.body),
        "attributes": {"ApproximateReceiveCount": str(sent.receive_count)},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:work",
    }
