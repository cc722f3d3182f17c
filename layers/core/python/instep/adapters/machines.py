"""State machines of Step Functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_name(name: str) -> None:
    """Raises ValueError if this cannot name an execution: 80 characters, letters, digits, - and _
    (AWS allows a few more, which then break links to the console and logs)."""
    if not NAME.fullmatch(name):
        raise ValueError("an execution's name has 1 to 80 letters, digits, - and _")


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of a machine's execution of this name."""
    head, _, machine = machine_arn.rpartition(":stateMachine:")
    return f"{head}:execution:{machine}:{name}"


class StepFunctionsMachines:
    """Machines on Step Functions, standard workflows; `arns` by short name. `client` is boto3's."""

    def __init__(self, client: Any, arns: Mapping[str, str]) -> None:
        self._client = client
        self._arns = dict(arns)

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> str:
        """Starts an execution, or finds it started. Raises KeyError for a machine that this
        function was not given, ValueError for a name that is none."""
        check_name(name)
        try:
            answer = self._client.start_execution(
                stateMachineArn=self._arns[machine],
                name=name,
                input=json.dumps(payload, separators=(",", ":")),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            return execution_arn(self._arns[machine], name)
        arn: str = answer["executionArn"]
        return arn

    def running(self, execution_arn: str) -> bool:
        """Whether the execution is still running; one that AWS has forgotten is not."""
        try:
            answer = self._client.describe_execution(executionArn=execution_arn)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return False
        return bool(answer["status"] == "RUNNING")
