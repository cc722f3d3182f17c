"""The local AWS with the application deployed to it, and nothing else.

What is running is found again by later commands in the stack's folder: `state.json` (ports, what
was deployed) and `stack.json`, which is for everybody.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local import frontend, issuer, venvs
from local.processes import Processes

ROOT = venvs.ROOT
NAME = "instep"
REGION = "us-east-1"
BUILD = ROOT / ".local" / "build"
SOURCES = ("template.yaml", "statemachines", "functions", "layers")
TWIN_KEYS = (
    "actionkit_url",
    "strive_url",
    "actionkit_username",
    "actionkit_password",
    "strive_api_key",
    "strive_campaign_id",
)
RECORDS_PER_MINUTE_CEILING = 1_000_000


@dataclass(frozen=True, slots=True)
class Ports:
    """Where things listen on 127.0.0.1."""

    aws: int
    issuer: int
    actionkit: int
    strive: int


class Stack:
    """One local stack, kept in a folder (LOCAL_DIR, by default .local)."""

    def __init__(self, folder: Path | None = None) -> None:
        given = os.environ.get("LOCAL_DIR")
        self.folder = (folder or (ROOT / given if given else ROOT / ".local")).resolve()
        self.processes = Processes(self.folder, ROOT)

    # what is there ----------------------------------------------------------------------------

    def description(self) -> dict[str, Any]:
        """What stack.json says; empty if there is none."""
        return _read(self.folder / "stack.json")

    def describe(self, **changes: Any) -> dict[str, Any]:
        """Changes stack.json."""
        description = {**self.description(), **changes}
        _write(self.folder / "stack.json", description)
        return description

    def running(self) -> bool:
        """Whether AWS and the issuer are there and answer."""
        started = self.processes.alive("aws") and self.processes.alive("issuer")
        if not started or self.ports() is None:
            return False
        return _answers(f"{self.endpoint()}/_ministack/health")

    def ports(self) -> Ports | None:
        stored = _read(self.folder / "state.json").get("ports")
        return Ports(**stored) if stored else None

    def endpoint(self) -> str:
        ports = self.ports()
        if ports is None:
            raise LookupError("no stack was started here")
        return f"http://localhost:{ports.aws}"

    def client(self, service: str) -> Any:
        """A client of the local AWS, with all rights."""
        connect: Any = boto3.client
        return connect(
            service,
            endpoint_url=self.endpoint(),
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"mode": "standard", "max_attempts": 3}),
        )

    # up and down ------------------------------------------------------------------------------

    def up(self) -> dict[str, Any]:
        """Starts what is not running, builds and deploys what has changed: stack.json."""
        venvs.ready("aws")
        venvs.ready("sam")
        if not self.running() or not self._listens_as_asked("aws"):
            self._start()
        with _alone():
            self._deploy(build())
        return self.description()

    def twins(self, people: int, seed: int) -> dict[str, Any]:
        """Starts the twins with so many people, unless they run so already: stack.json. Raises
        SystemExit if they run with others, whom an account may be joined to."""
        wanted = {"people": people, "seed": seed}
        settings = self.folder / "twins-settings.json"
        ready = self.folder / "twins.json"
        if self.processes.alive("twins"):
            kept = _read(settings)
            if any(kept.get(name) != value for name, value in wanted.items()):
                raise SystemExit(
                    f"The twins run with {kept['people']} people of seed {kept['seed']}; "
                    "end them first: make stop"
                )
            return self.description()
        if self.ports() is None:
            self._choose_ports()
        ports = self.ports()
        assert ports is not None
        ready.unlink(missing_ok=True)
        listening = {"actionkit_port": ports.actionkit, "strive_port": ports.strive}
        _write(settings, {**wanted, **listening, "ready": str(ready)})
        print(f"Making {people} people …", flush=True)
        self.processes.start(
            "twins", [sys.executable, "-m", "local.twins.launch", str(settings)], os.environ
        )
        self._await("twins", ready.exists, seconds=600)
        return self.describe(**_read(ready)["connect"])

    def twins_made(self) -> dict[str, Any]:
        """What the twins wrote when they were ready (local/twins/launch.py)."""
        return _read(self.folder / "twins.json")

    def stop(self) -> list[str]:
        """Ends every process of this stack and forgets what was deployed."""
        for name in ("stack.json", "state.json", "twins.json", "twins-settings.json", "issuer.pem"):
            (self.folder / name).unlink(missing_ok=True)
        stopped = self.processes.stop()
        self._throw_away("tmp", "aws")
        return stopped

    def _throw_away(self, *names: str) -> None:
        """Folders, in the background: each worker has unpacked some thousand files."""
        for name in names:
            if (self.folder / name).exists():
                (self.folder / name).rename(self.folder / f"old-{name}-{time.time_ns()}")
        old = [str(path) for path in self.folder.glob("old-*")]
        if old:
            subprocess.Popen(["rm", "-rf", *old], start_new_session=True)

    def _listens_as_asked(self, name: str) -> bool:
        asked = os.environ.get(f"{name.upper()}_PORT")
        return not asked or asked == str(getattr(self.ports(), name))

    def _choose_ports(self) -> Ports:
        """Free ones, or as asked; the twins keep theirs while they run."""
        kept = self.ports() if self.processes.alive("twins") else None
        names = Ports.__slots__
        asked = {name: int(os.environ.get(f"{name.upper()}_PORT") or 0) for name in names}
        if kept is not None:
            asked |= {"actionkit": kept.actionkit, "strive": kept.strive}
        ports = dict(zip(names, free_ports(asked.values()), strict=True))
        _write(self.folder / "state.json", {"ports": ports})
        return Ports(**ports)

    def _start(self) -> None:
        self.processes.stop("aws", "issuer")
        ports = self._choose_ports()
        key = self.folder / "issuer.pem"
        issuer.make_key(key)
        self.processes.start(
            "issuer",
            [sys.executable, "-m", "local.issuer", str(ports.issuer), str(key)],
            os.environ,
        )
        self.processes.start("aws", [str(venvs.ready("aws") / "ministack")], self._aws_env(ports))
        self._await("aws", lambda: _answers(f"http://localhost:{ports.aws}/_ministack/health"))
        self._await("issuer", lambda: _answers(f"http://127.0.0.1:{ports.issuer}/jwks.json"))

    def _aws_env(self, ports: Ports) -> dict[str, str]:
        """No AWS_… variable of the caller's comes through: the functions would inherit it. With
        AUTH the functions' roles are enforced, as on AWS."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            **own,
            "GATEWAY_PORT": str(ports.aws),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(self.folder / "aws" / "state"),
            "S3_DATA_DIR": str(self.folder / "aws" / "s3"),
            "TMPDIR": str(temporary),
            "PATH": f"{venvs.ready('aws')}{os.pathsep}{os.environ['PATH']}",
        }

    def _await(self, process: str, ready: Callable[[], bool], seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until or not self.processes.alive(process):
                raise SystemExit(f"{process} did not start:\n{self.processes.tail(process)}")
            time.sleep(0.05)

    # deploying --------------------------------------------------------------------------------

    def _deploy(self, built: str) -> None:
        ports = self.ports()
        assert ports is not None
        parameters = self.parameters(ports)
        wanted = _digest([built, json.dumps(parameters, sort_keys=True)])
        state = _read(self.folder / "state.json")
        if state.get("deployed") == wanted and "api_url" in self.description():
            return
        print("Deploying …", flush=True)
        _sam(
            "deploy",
            "--template-file",
            str(BUILD / "template.yaml"),
            "--stack-name",
            NAME,
            "--resolve-s3",
            "--capabilities",
            "CAPABILITY_IAM",
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
            "--no-progressbar",
            "--parameter-overrides",
            *(f"{name}={value}" for name, value in parameters.items()),
            env={
                "AWS_ENDPOINT_URL": self.endpoint(),
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
            },
        )
        self._mend_mappings()
        found = self.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}
        key, issued_by = self.folder / "issuer.pem", parameters["OidcIssuer"]
        twins = self.description() if self.processes.alive("twins") else {}
        self.describe(
            aws_endpoint=self.endpoint(),
            region=REGION,
            api_url=outputs["ApiUrl"],
            console_url=outputs["ConsoleUrl"],
            outputs=outputs,
            token=issuer.token(key, issued_by, issuer.EDITOR),
            viewer_token=issuer.token(key, issued_by, issuer.VIEWER, subject="viewer"),
            **{name: twins.get(name) for name in TWIN_KEYS},
        )
        _write(self.folder / "state.json", {**state, "deployed": wanted})

    def _mend_mappings(self) -> None:
        """The emulator keeps a parameter's number inside ScalingConfig as text, and its poller
        then stops at comparing it with one; set again by the API it is a number."""
        functions = self.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            most = int(mapping["ScalingConfig"]["MaximumConcurrency"])
            functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": most}
            )

    def parameters(self, ports: Ports) -> dict[str, str]:
        """What differs from a deployment on AWS."""
        return {
            **interpreter(),
            "StriveApiUrl": os.environ.get("STRIVE_API_URL") or f"http://127.0.0.1:{ports.strive}",
            "AdmitLocalHosts": "true",
            "RecordsPerMinuteCeiling": str(RECORDS_PER_MINUTE_CEILING),
            "OidcIssuer": f"http://127.0.0.1:{ports.issuer}",
            "OidcAudience": issuer.AUDIENCE,
            "ApiUrlPrefix": f"http://localhost:{ports.aws}/_aws/execute-api",
            # A worker is a process of 50 MB here, and there are few cores.
            "LiveConcurrency": "4",
            "BulkConcurrency": str(max(2, min(8, 2 * (os.cpu_count() or 1)))),
        }


def interpreter() -> dict[str, str]:
    """The runtime that this machine can build for and run."""
    machine = platform.machine().lower()
    return {
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Architecture": "arm64" if machine in ("arm64", "aarch64") else "x86_64",
    }


def build() -> str:
    """Builds the template where anything that it is made of has changed: a digest of it all."""
    frontend.build()
    parameters = [f"{name}={value}" for name, value in interpreter().items()]
    wanted = _digest([*parameters, *_contents(SOURCES)])
    stamp = BUILD / "built"
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Building …", flush=True)
        stamp.unlink(missing_ok=True)
        path = f"{venvs.ready('aws')}{os.pathsep}{os.environ['PATH']}"
        _sam(
            "build",
            "--build-dir",
            str(BUILD),
            "--cache-dir",
            str(BUILD.with_name("build-cache")),
            "--cached",
            "--parallel",
            "--parameter-overrides",
            *parameters,
            env={"PATH": path},
            on_failure=_forget_builds,
        )
        _compile()
        stamp.write_text(wanted)
    return wanted


@contextmanager
def _alone() -> Iterator[None]:
    """The build is the checkout's, whatever stacks are deployed from it: one at a time."""
    with BUILD.with_name("build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile() -> None:
    """Every worker of the emulator unpacks its code anew and would compile it anew. Compiled
    files that are believed without a look at the source's date halve the time of the imports."""
    python = str(venvs.ready("aws") / "python")
    mode = ("--invalidation-mode", "unchecked-hash")
    subprocess.run(
        [python, "-m", "compileall", "-q", "-j", "0", *mode, str(BUILD)],
        check=False,
        stdout=subprocess.DEVNULL,
    )


def free_ports(asked: Iterable[int]) -> list[int]:
    """The ports asked for, each 0 replaced by one that is free."""
    listeners = []
    ports = []
    for port in asked:
        if not port:
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            listeners.append(listener)
            port = listener.getsockname()[1]
        ports.append(port)
    for listener in listeners:
        listener.close()
    return ports


def _forget_builds() -> None:
    """A build that failed leaves an empty layer in the cache, which the next would believe."""
    for folder in (BUILD, BUILD.with_name("build-cache"), ROOT / ".aws-sam"):
        shutil.rmtree(folder, ignore_errors=True)


def _sam(
    *arguments: str, env: Mapping[str, str], on_failure: Callable[[], None] = lambda: None
) -> None:
    """Runs the deployment tool, which finds no configuration of the user's and keeps its own in
    the checkout. Its output is shown only if it fails."""
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [str(venvs.ready("sam") / "sam"), *arguments],
        cwd=ROOT,
        env={
            **own,
            **nothing,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(ROOT / ".local" / "sam"),
            **env,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        on_failure()
        raise SystemExit(f"sam {arguments[0]} failed:\n{done.stdout}\n{done.stderr}")


def _contents(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(ROOT))
                yield hashlib.sha256(file.read_bytes()).hexdigest()


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Written beside and moved, so that a reader finds the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_suffix(".new")
    made.write_text(json.dumps(value, indent=2) + "\n")
    made.replace(path)
