"""The deployed template, and what one sees of it from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final

from instep.adapters.dynamo import DynamoStore
from local.stack import ROOT, Stack
from local.twins.http import serve
from tests.e2e.tap import Tap
from tests.e2e.twins import StriveBoard

FOLDER: Final = ROOT / ".local" / "e2e"
WORKER_SECONDS: Final = 24
"""Shorter than in the template, so that a killed worker is missed soon."""
WORKERS: Final = ("LiveWorkerFunction", "BulkWorkerFunction")
SENDERS: Final = (*WORKERS, "ApiFunction", "FeedFunction")
QUEUES: Final = ("LiveQueue", "BulkQueue", "LiveDeadLetterQueue", "BulkDeadLetterQueue")
TABLES: Final = ("SettingsTable", "UsersTable", "GroupsTable")
FIRST_CAMPAIGN: Final = 301


def wait_for(what: str, done: Callable[[], bool], seconds: float, pause: float = 0.25) -> None:
    """Until it is so; fails after so long."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


class Deployment:
    """One stack for all tests of this folder."""

    def __init__(self) -> None:
        self.board = StriveBoard()
        self._strive = serve(self.board)
        os.environ["STRIVE_API_URL"] = self._strive.url
        self._stack = Stack(FOLDER)
        self._stack.stop()
        self.description = self._stack.up()
        ports = self._stack.ports()
        assert ports is not None
        self.issuer = f"http://127.0.0.1:{ports.issuer}"
        self.tap = Tap(ports.aws)
        client = self._stack.client
        self.dynamodb, self.sqs, self.logs = client("dynamodb"), client("sqs"), client("logs")
        self.lambdas, self.machines = client("lambda"), client("stepfunctions")
        self.secretsmanager = client("secretsmanager")
        stack = client("cloudformation").describe_stack_resources(StackName="instep")
        self._ids: dict[str, str] = {
            one["LogicalResourceId"]: one["PhysicalResourceId"] for one in stack["StackResources"]
        }
        self._accounts = 0
        self._closing: list[Callable[[], None]] = []
        for name in SENDERS:
            self._configure(name, {"AWS_ENDPOINT_URL_SQS": self.tap.url})
        # Once and for all: the local AWS loses the code of a function that is changed at work.
        self._shorten_workers(WORKER_SECONDS, WORKER_SECONDS + 5)

    def on_close(self, call: Callable[[], None]) -> None:
        """Have a function called when the stack has ended."""
        self._closing.append(call)

    def close(self) -> None:
        self._stack.stop()
        for call in self._closing:
            call()
        self.tap.close()
        self._strive.close()
        del os.environ["STRIVE_API_URL"]

    # --- accounts ---

    def new_account(self) -> tuple[str, int]:
        """An account that nobody used yet, and the id of a campaign for it."""
        self._accounts += 1
        assert self._accounts < 100
        return f"demo-{self._accounts}", FIRST_CAMPAIGN + self._accounts

    # --- tables ---

    def table(self, name: str) -> str:
        return self._ids[name]

    def store(self, name: str) -> DynamoStore:
        return DynamoStore(self.dynamodb, self.table(name))

    def scan(self, name: str) -> list[dict[str, Any]]:
        """Every item of a table, as stored."""
        found: list[dict[str, Any]] = []
        for page in self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table(name), ConsistentRead=True
        ):
            found += page["Items"]
        return found

    def secrets(self) -> list[str]:
        """The names of all secrets."""
        pages = self.secretsmanager.get_paginator("list_secrets").paginate()
        return sorted(one["Name"] for page in pages for one in page["SecretList"])

    def consent_key(self) -> bytes:
        secret = self.secretsmanager.get_secret_value(SecretId=self._ids["ConsentKey"])
        key: str = json.loads(secret["SecretString"])["key"]
        return key.encode()

    # --- queues ---

    def waiting(self, delayed: bool = True) -> dict[str, int]:
        """Messages in each queue: visible, under way and, if asked for, delayed."""
        counted = {}
        for name in QUEUES:
            attributes = self.sqs.get_queue_attributes(
                QueueUrl=self._ids[name], AttributeNames=["All"]
            )["Attributes"]
            counted[name] = sum(
                int(attributes[f"ApproximateNumberOfMessages{part}"])
                for part in ("", "NotVisible", *(("Delayed",) if delayed else ()))
            )
        return counted

    def dead_letters(self) -> list[str]:
        """The bodies of dead letters; they stay."""
        bodies = []
        for name in QUEUES[2:]:
            answer = self.sqs.receive_message(
                QueueUrl=self._ids[name], MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            bodies += [one["Body"] for one in answer.get("Messages", [])]
        return bodies

    # --- logs and executions ---

    def log_lines(self) -> list[str]:
        """Every line of every log group."""
        lines: list[str] = []
        groups = self.logs.get_paginator("describe_log_groups").paginate()
        for group in [one["logGroupName"] for page in groups for one in page["logGroups"]]:
            for page in self.logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                lines += [event["message"] for event in page["events"]]
        return lines

    def emulator_output(self) -> str:
        """What the local AWS itself wrote, the functions' output among it."""
        return self._stack.processes.log("aws").read_text(errors="replace")

    def faults(self) -> list[str]:
        """What a worker raised; not that one was killed, or took too long, nor that the local AWS
        could not begin another in its place (it does so on several threads at once)."""
        failed = re.findall(r"failed processing SQS batch.*", self.emulator_output())
        ended = (
            "process died",
            "exited immediately",
            "timed out",
            "ministack-lambda",
            "Failed to resolve layer",
            "Worker init failed",
            "errorType=BrokenPipeError",
        )
        return [line for line in failed if not any(end in line for end in ended)]

    def executions(self, machine: str) -> list[dict[str, Any]]:
        """All executions of a machine (its output's name), described."""
        arn = self.description["outputs"][machine]
        pages = self.machines.get_paginator("list_executions").paginate(stateMachineArn=arn)
        arns = [one["executionArn"] for page in pages for one in page["executions"]]
        return [self.machines.describe_execution(executionArn=one) for one in arns]

    def execution_history(self, arn: str) -> list[dict[str, Any]]:
        pages = self.machines.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def tick(self, account_id: str) -> dict[str, Any]:
        """Looks at the account now, as the contract says; the tick's output."""
        started = self.machines.start_execution(
            stateMachineArn=self.description["outputs"]["ScheduledSyncStateMachineArn"],
            input=json.dumps({"account_id": account_id}),
        )
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.machines.describe_execution(executionArn=started["executionArn"]))
            return bool(found["status"] != "RUNNING")

        wait_for("the tick ends", ended, 600)
        assert found["status"] == "SUCCEEDED", found
        output: dict[str, Any] = json.loads(found["output"])
        return output

    # --- trouble ---

    def send_back(self) -> None:
        """Puts dead letters on their queues again, as operators do (O3)."""
        for name, letters in zip(QUEUES[:2], QUEUES[2:], strict=True):
            url = self._ids[letters]
            while found := self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60
            ).get("Messages"):
                for message in found:
                    self.sqs.send_message(QueueUrl=self._ids[name], MessageBody=message["Body"])
                    self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _shorten_workers(self, seconds: int, visible_again: int) -> None:
        """A worker lives no longer than this, and its message is seen again soon after."""
        for name in WORKERS:
            self._configure(name, {"WORKER_SECONDS": str(seconds)}, Timeout=seconds)
        for name in QUEUES[:2]:
            attributes = {"VisibilityTimeout": str(visible_again)}
            self.sqs.set_queue_attributes(QueueUrl=self._ids[name], Attributes=attributes)

    def _configure(self, function: str, variables: dict[str, str], **changes: Any) -> None:
        name = self._ids[function]
        now = self.lambdas.get_function_configuration(FunctionName=name)
        self.lambdas.update_function_configuration(
            FunctionName=name,
            Environment={"Variables": {**now["Environment"]["Variables"], **variables}},
            **changes,
        )
        wait_for(
            f"{function} is ready again",
            lambda: self.lambdas.get_function_configuration(FunctionName=name)["State"] == "Active",
            30,
        )

    def worker_processes(self) -> list[int]:
        """The processes of the emulator that run the worker, by id."""
        parent = str(self._stack.processes._pid("aws"))
        command = ["ps", "-axww", "-o", "pid=,ppid=,command="]  # whole commands
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        return [
            int(pid)
            for pid, ppid, command in (row for row in rows if len(row) == 3)
            if ppid == parent and any(name in command for name in WORKERS)
        ]

    @staticmethod
    def kill(pid: int) -> None:
        """Ends a process of this stack's emulator at once."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
