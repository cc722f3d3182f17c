"""Uploads: a table in a file, each row an action on an import page."""

from __future__ import annotations

import csv
import email.parser
import email.policy
import gzip
import io
import zipfile
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from local.twins.actionkit.actions import ActionRefused, Actions
from local.twins.actionkit.database import Database
from local.twins.actionkit.functions import as_stored
from local.twins.actionkit.records import Records, user_of_akid
from local.twins.http import Request


class UploadRefused(Exception):
    """The upload as a whole is refused: parameter to message."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


def form_of(request: Request) -> dict[str, bytes]:
    """The parts of a multipart form by name."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    parts: dict[str, bytes] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            parts[name] = payload
    return parts


class Uploads:
    """Takes uploads; their rows are done before the answer."""

    def __init__(
        self,
        database: Database,
        records: Records,
        actions: Actions,
        count_values: Callable[[Collection[int]], None],
    ) -> None:
        self._db = database
        self._records = records
        self._actions = actions
        self._count_values = count_values

    def take(self, form: Mapping[str, bytes]) -> int:
        """Do every row of the file and return the upload's id. Raises :class:`UploadRefused`."""
        page = self._records.page(form.get("page", b"").decode().strip())
        if page is None or page["type"] != "Import":
            raise UploadRefused("page", "There is no such import page.")
        if "upload" not in form:
            raise UploadRefused("upload", "This field is required.")
        text = _text(form["upload"])
        header = text.split("\n", 1)[0]
        lines = list(csv.reader(io.StringIO(text), delimiter="\t" if "\t" in header else ","))
        if not lines or not {"email", "user_id", "akid"} & set(lines[0]):
            raise UploadRefused("upload", "A column email, user_id or akid is required.")
        names, rows = lines[0], lines[1:]
        if _flag(form, "autocreate_user_fields"):
            self._create_userfields(names)
        now = self._db.now()
        finished = now + timedelta(seconds=self._records.unknowns.upload_seconds)
        upload_id = self._db.insert(
            "core_upload",
            page_id=page["id"],
            status="completed",
            line_count=len(rows),
            started_at=self._db.stored(now),
            finished_at=self._db.stored(finished),
            created_at=self._db.stored(now),
            updated_at=self._db.stored(now),
        )
        fields_only = _flag(form, "user_fields_only")
        source = self._source(page["id"])
        errors = 0
        for number, row in enumerate(rows, start=1):
            values = dict(zip(names, row, strict=False))
            if not values.get("source", "").strip():
                values["source"] = source
            refused = self._row(page["name"], values, fields_only)
            for name, message in refused.items():
                errors += 1
                self._error(upload_id, number, names, name, message, row)
        self._db.update("core_upload", upload_id, has_errors=errors)
        return upload_id

    def _source(self, page_id: int) -> str:
        """What the actions of a page's uploads have as their source."""
        default = self._db.value(
            "SELECT default_source FROM core_importpage WHERE page_ptr_id = ?", (page_id,)
        )
        return default or self._records.unknowns.upload_source

    def _create_userfields(self, names: list[str]) -> None:
        for name in names:
            plain = name.removeprefix("user_")
            if plain and _is_userfield(name) and self._records.userfield(plain) is None:
                self._records.define_userfield(plain)

    def _row(self, page: str, row: dict[str, str], fields_only: bool) -> dict[str, str]:
        """Do one row; what is wrong with it by column, if anything."""
        for name in row:
            if _is_userfield(name) and self._records.userfield(name[5:]) is None:
                return {name: "There is no such user field."}
        user_id = None
        if row.get("user_id"):
            user_id = int(row["user_id"]) if row["user_id"].isdigit() else 0
            if not self._records.has_user(user_id):
                return {"user_id": "There is no such user."}
        try:
            if fields_only:
                return self._fields(row, user_id)
            created_at = as_stored(row.pop("created_at", "").strip()) or None
            action_id = self._actions.take(page, row, user_id, created_at=created_at, limited=False)
            user_id = self._db.value("SELECT user_id FROM core_action WHERE id = ?", (action_id,))
            self._count_values({user_id})
        except ActionRefused as refused:
            return {name: " ".join(messages) for name, messages in refused.errors.items()}
        except ValueError as error:
            return {"created_at": str(error)}
        return {}

    def _fields(self, row: dict[str, str], user_id: int | None) -> dict[str, str]:
        if user_id is None and row.get("email"):
            user_id = self._records.user_id_of(row["email"].strip())
        if user_id is None and row.get("akid"):
            user_id = user_of_akid(row["akid"].strip())
        if user_id is None or not self._records.has_user(user_id):
            return {"email": "There is no such user."}
        self._count_values({user_id})
        for name, value in row.items():
            if _is_userfield(name):
                self._records.set_field(user_id, name.removeprefix("user_"), value.strip())
        return {}

    def _error(
        self, upload_id: int, number: int, names: list[str], name: str, message: str, row: list[str]
    ) -> None:
        now = self._db.timestamp()
        column = names.index(name) if name in names else None
        self._db.insert(
            "core_uploaderror",
            upload_id=upload_id,
            message=message,
            row=number,
            col=column,
            value=row[column] if column is not None and column < len(row) else "",
            raw_row="\t".join(row),
            created_at=now,
            updated_at=now,
        )

    def show(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """An upload as REST shows it."""
        completed = row["finished_at"] <= self._db.stored(self._db.now())
        return {
            "id": row["id"],
            "page": f"/rest/v1/importpage/{row['page_id']}/",
            "status": "completed" if completed else "processing",
            "is_completed": completed,
            "has_errors": row["has_errors"] if completed else 0,
            "line_count": row["line_count"],
            "resource_uri": f"/rest/v1/upload/{row['id']}/",
        }


def _is_userfield(name: str) -> bool:
    return name.startswith("user_") and name != "user_id"


def _flag(form: Mapping[str, bytes], name: str) -> bool:
    return form.get(name, b"").decode().strip().lower() in ("true", "1", "yes")


def _text(data: bytes) -> str:
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UploadRefused("upload", "The file is not UTF-8.") from error
