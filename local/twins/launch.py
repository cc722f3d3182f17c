"""Both twins in one process, with sample people: `python -m local.twins.launch SETTINGS`.

SETTINGS is a JSON file with `actionkit_port`, `strive_port`, `people`, `seed` and `ready`: the path
of the file that is written when both answer, with what is needed to connect to them.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from local.twins.actionkit import ActionKitTwin
from local.twins.deliver import Delivery
from local.twins.http import serve
from local.twins.people import Sample, populate
from local.twins.strive import StriveTwin
from local.twins.zips import ZIPS

USERNAME = "instep"


def launch(settings: dict[str, Any]) -> None:
    """Starts both and answers until SIGTERM or SIGINT."""
    chance = Random(settings["seed"])
    password = f"{chance.getrandbits(96):024x}"
    actionkit = ActionKitTwin(
        _now, Random(chance.random()), username=USERNAME, password=password, zips=ZIPS
    )
    strive = StriveTwin(_now, Random(chance.random()))
    sample = populate(actionkit, strive, settings["people"], Random(chance.random()), _now())
    servers = [serve(actionkit, settings["actionkit_port"]), serve(strive, settings["strive_port"])]
    delivery = Delivery(actionkit.pushes, servers[0].lock)
    ended = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: ended.set())
    urls = [server.url for server in servers]
    _write(Path(settings["ready"]), _description(urls, password, sample))
    ended.wait()
    delivery.close()
    for server in servers:
        server.close()


def _description(urls: list[str], password: str, sample: Sample) -> dict[str, Any]:
    """What stack.json says of the twins, and what only the local run needs: the campaign that is
    left for others."""
    return {
        "connect": {
            "actionkit_url": urls[0],
            "strive_url": urls[1],
            "actionkit_username": USERNAME,
            "actionkit_password": password,
            "strive_api_key": sample.demo.api_key,
            "strive_campaign_id": sample.demo.campaign_id,
        },
        "free": {
            "strive_api_key": sample.free.api_key,
            "strive_campaign_id": sample.free.campaign_id,
        },
        "opt_in_userfield": sample.opt_in_userfield,
    }


def _now() -> datetime:
    return datetime.now(UTC)


def _write(path: Path, value: dict[str, Any]) -> None:
    made = path.with_suffix(".new")
    made.write_text(json.dumps(value, indent=2) + "\n")
    made.replace(path)


if __name__ == "__main__":
    launch(json.loads(Path(sys.argv[1]).read_text()))
