"""How long each function takes to import, beside what importing boto3 takes: ratios say the same on
every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from bench import ROOT

_TIMED = """
import importlib.util, sys, time
began = time.perf_counter()
if sys.argv[1] == "boto3":
    import boto3
else:
    spec = importlib.util.spec_from_file_location("handler", sys.argv[1])
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(time.perf_counter() - began)
"""
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
    "SETTINGS_TABLE": "settings",
    "USERS_TABLE": "users",
    "GROUPS_TABLE": "groups",
    "LANE": "bulk",
    "OIDC_ISSUER": "http://127.0.0.1:1",
    "OIDC_CLIENT_ID": "bench",
    "OIDC_AUDIENCE": "bench",
    "OIDC_SCOPES": "openid",
    "ACCOUNTS_CLAIM": "accounts",
    "SIGN_IN_ORIGINS": "",
    "SIGN_OUT_URL": "",
    "PYTHONPATH": str(ROOT / "layers" / "core" / "python"),
}


def import_ratios(rounds: int) -> dict[str, float]:
    """For each function the time until its handler is ready (imports and AWS clients), as a
    multiple of importing boto3: the median of so many rounds, in which each is taken in turn."""
    files = {path.parent.name: str(path) for path in ROOT.glob("functions/*/handler.py")}
    named = {"boto3": "boto3", **files}
    for what in named.values():
        _seconds(what)  # compiles what is not compiled yet
    seconds: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(rounds):
        for name, what in named.items():
            seconds[name].append(_seconds(what))
    boto3 = median(seconds.pop("boto3"))
    return {name: median(taken) / boto3 for name, taken in sorted(seconds.items())}


def _seconds(what: str) -> float:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(  # noqa: S603 - this interpreter, our own files
        [sys.executable, "-c", _TIMED, what],
        env={**own, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])
