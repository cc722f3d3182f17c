"""README and docs say what is there.

docs/statuses.md is written by `PYTHONPATH=layers/core/python python -m tests.unit.test_docs`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from instep.domain.newcomers import NEWCOMER_REASONS
from instep.domain.reasons import REASONS, WARNINGS
from instep.domain.record import Status, Warning  # noqa: A004

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
STATUSES = ROOT / "docs" / "statuses.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHERS_NAMES = {"ActionKit", "CloudFormation", "DynamoDB", "InStep", "OpenID", "OpenAPI"}


def statuses_page() -> str:
    """docs/statuses.md as it has to be."""
    lines = [
        "# Statuses, reasons and warnings",
        "",
        "Every user has one status and one reason, and may have warnings beside it, all of closed",
        "lists. `{detail}` stands for the other user's id, or for where it was written.",
    ]
    for status in Status:
        lines += [
            "",
            f"## {status}",
            "",
            "| reason | what it means | what changes it |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{code}` | {one.text} | {one.fix} |"
            for code, one in REASONS.items()
            if one.status is status
        ]
    lines += [
        "",
        "## Warnings",
        "",
        "| warning | what it means | what changes it |",
        "|---|---|---|",
    ]
    lines += [f"| `{warning}` | {one.text} | {one.fix} |" for warning, one in WARNINGS.items()]
    lines += [
        "",
        "## Members who have no user",
        "",
        "Members whom somebody added to the primary group (`GET /members`) have a status and a",
        "reason of their own.",
        "",
        "| status | reason | what it means | what changes it |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{one.status}` | `{reason}` | {one.text} | {one.fix} |"
        for reason, one in NEWCOMER_REASONS.items()
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_named_is_there(page: Path) -> None:
    """`docs/…`, `tests/…` and the like, as written between backticks."""
    top = "docs|tests|functions|layers|statemachines|local|bench"
    named = re.findall(rf"`((?:{top})/[\w./-]*)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_named_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"`{1,3}[^`]+`{1,3}", page.read_text())
    named = {name for text in code for name in re.findall(r"\bmake ([a-z]+)", text)}
    assert named - targets == set()


def test_every_parameter_and_output_named_in_the_readme_is_there() -> None:
    template = (ROOT / "template.yaml").read_text()
    parts = dict(re.findall(r"^(Parameters|Outputs):\n((?: .*\n|\n)+)", template, re.MULTILINE))
    known = set(re.findall(r"^  (\w+):$", "".join(parts.values()), re.MULTILINE))
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", README.read_text()))
    assert {"AlarmEmail", "OidcIssuer", "ApiUrl"} <= named
    assert named - OTHERS_NAMES - known == set()


def test_every_status_reason_and_warning_is_documented() -> None:
    assert WARNINGS.keys() == set(Warning)
    assert STATUSES.read_text() == statuses_page()


if __name__ == "__main__":
    STATUSES.write_text(statuses_page())
