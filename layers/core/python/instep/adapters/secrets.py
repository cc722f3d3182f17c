"""Credentials in Secrets Manager (C3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError


class SecretsManagerSecrets:
    """Secrets as JSON objects in Secrets Manager. `client` is boto3's."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, name: str, value: Mapping[str, str]) -> None:
        """Makes the secret, or gives it a new value."""
        text = json.dumps(dict(value), separators=(",", ":"))
        try:
            self._client.create_secret(Name=name, SecretString=text)
        except ClientError as error:
            if _code(error) != "ResourceExistsException":
                raise
            self._client.put_secret_value(SecretId=name, SecretString=text)

    def get(self, name: str) -> Mapping[str, str] | None:
        """The value; None if there is none, also while it is being deleted."""
        try:
            answer = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            # InvalidRequestException is what a secret marked for deletion answers to a read.
            if _code(error) in ("ResourceNotFoundException", "InvalidRequestException"):
                return None
            raise
        value: dict[str, str] = json.loads(answer["SecretString"])
        return value

    def delete(self, name: str) -> None:
        """Deletes for good, without the days of grace."""
        try:
            self._client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if _code(error) != "ResourceNotFoundException":
                raise


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
