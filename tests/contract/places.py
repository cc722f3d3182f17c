"""Where the contract tests meet the real adapters: AWS in this process, and an emulator."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instep.adapters.dynamo import INDEX_ATTRIBUTES, KEY
from instep.use_cases.ports import INDEXES

EMULATOR = Path(__file__).parents[2] / ".local/venvs/aws/bin/ministack"
START_SECONDS = 30

Client = Callable[[str], Any]
"""Makes boto3's client of a service, by name."""


def create_table(dynamodb: Any, name: str) -> None:
    """A table as the template makes it."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in (*KEY, *INDEX_ATTRIBUTES)
        ],
        KeySchema=[
            {"AttributeName": "account_id", "KeyType": "HASH"},
            {"AttributeName": "item", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": "account_id", "KeyType": "HASH"},
                    {"AttributeName": of.stream, "KeyType": "HASH"},
                    {"AttributeName": of.sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, of in INDEXES.items()
        ],
    )


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """A private emulator on a free port, its files in the folder: its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    log = folder / "emulator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [EMULATOR], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        endpoint = f"http://localhost:{port}"
        _wait_until_ready(f"{endpoint}/_ministack/health", process, log)
        yield endpoint
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the emulator did not start:\n{log.read_text()[-2000:]}")
