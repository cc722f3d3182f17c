"""Reads template.yaml as it is written: `!Ref X` becomes `{"Ref": "X"}`, other tags likewise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
TEXT: Final = (ROOT / "template.yaml").read_text()


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _tagged)

TEMPLATE: Final[dict[str, Any]] = yaml.load(TEXT, Loader=_Loader)
RESOURCES: Final[dict[str, dict[str, Any]]] = TEMPLATE["Resources"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical name."""
    return {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == kind}


def statements() -> list[tuple[str, dict[str, Any]]]:
    """Every statement of a role or a managed policy, with the name of the resource it is in."""
    found = []
    for name, role in of_type("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            found += [(name, one) for one in policy["PolicyDocument"]["Statement"]]
    for name, policy in of_type("AWS::IAM::ManagedPolicy").items():
        found += [(name, one) for one in policy["PolicyDocument"]["Statement"]]
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def machine(name: str) -> dict[str, Any]:
    """The definition of a state machine as its file says."""
    found: dict[str, Any] = json.loads(machine_text(name))
    return found


def machine_text(name: str) -> str:
    path: str = RESOURCES[name]["Properties"]["DefinitionUri"]
    return ROOT.joinpath(path).read_text()


MACHINES: Final = sorted(of_type("AWS::Serverless::StateMachine"))
