"""Typed pages and their actions, actionfields of several values, and reports on them."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import pytest

from local.twins.actionkit.database import PAGE_TYPES
from tests.unit.twins.actionkit_client import Caller


@pytest.mark.parametrize("type_", PAGE_TYPES)
def test_a_page_of_each_type(type_: str) -> None:
    caller = Caller()
    caller.twin.add_page("before")
    page_id = caller.twin.add_page("page", type_, title="A page")
    kind = type_.lower()
    answer = caller.act("page", email="a@example.org", action_x=["1", " Two "]).json()
    assert (answer["type"], answer["page"]) == (type_, f"/rest/v1/{kind}page/{page_id}/")
    assert answer["resource_uri"] == f"/rest/v1/{kind}action/1/"
    assert answer["fields"] == {"x": ["1", "Two"]}
    for path in (f"page/{page_id}/", f"{kind}page/{page_id}/"):
        page = caller.get(path)
        assert (page["type"], page["title"]) == (type_, "A page")
        assert page["resource_uri"] == f"/rest/v1/{kind}page/{page_id}/"
    assert caller.get(page["actions"])["meta"]["total_count"] == 1
    assert caller.get(f"page/?type={type_}&name=page")["objects"][0]["id"] == page_id
    assert caller.get("action/1/") == caller.get(f"{kind}action/1/")
    other = "petitionaction" if type_ != "Petition" else "signupaction"
    assert caller.call("GET", f"{other}/1/").status == 404
    typed = (
        f"SELECT p.page_ptr_id, t.action_ptr_id FROM core_{kind}page p"
        f" JOIN core_action a ON a.page_id = p.page_ptr_id"
        f" JOIN core_{kind}action t ON t.action_ptr_id = a.id"
    )
    assert caller.sql(typed) == [[page_id, 1]]
    assert caller.call("DELETE", f"{kind}page/{page_id}/").status == 204
    assert caller.sql(typed) == []
    assert caller.sql(f"SELECT COUNT(*) FROM core_{kind}action") == [[0]]


def test_actionfields_of_several_values() -> None:
    caller = Caller()
    caller.twin.add_page("join")
    caller.act("join", email="a@example.org", action_x=["a", "b"], action_y="c")
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = b"page=join&email=b%40example.org&action_x=d&action_x=e"
    assert caller.call("POST", "action/", body, form).json()["fields"] == {"x": ["d", "e"]}
    caller.call("PUT", "signupaction/1/", {"fields": {"x": ["f", "g", "h"], "y": "i"}})
    assert caller.get("action/1/")["fields"] == {"x": ["f", "g", "h"], "y": "i"}
    rows = caller.get("actionfield/?parent=1&name=x&order_by=id")["objects"]
    assert [row["value"] for row in rows] == ["f", "g", "h"]
    caller.call("DELETE", rows[1]["resource_uri"])
    query = "SELECT name, value FROM core_actionfield WHERE parent_id = 1 ORDER BY id"
    assert caller.sql(query) == [["x", "f"], ["x", "h"], ["y", "i"]]


def test_the_source_of_an_uploads_actions() -> None:
    caller = Caller()
    caller.twin.add_page("plain", "Import")
    caller.twin.add_page("sheets", "Import", import_settings={"default_source": "sheet"})
    table = "email,source\na@example.org,\nb@example.org,own\n"
    for page in ("plain", "sheets"):
        caller.upload(page, table)
    caller.twin.switch(upload_source="import")
    caller.upload("plain", "email\na@example.org\n")
    sources = [action["source"] for action in caller.twin.actions()]
    assert sources == ["upload", "own", "sheet", "own", "import"]
    assert caller.twin.user(1)["source"] == "upload"


# --- reports ------------------------------------------------------------------------------------


@pytest.fixture
def caller() -> Caller:
    caller = Caller()
    users = [caller.twin.add_user(f"u{number}@example.org") for number in range(3)]
    caller.twin.add_page("pet", "Petition")
    caller.twin.add_page("join", "Signup")
    for user_id in users:
        caller.twin.take_action("pet", {"action_x": ["a", "B"], "action_y": "1"}, user_id)
    caller.twin.take_action("join", {}, users[0])
    return caller


def checksum(action_id: int) -> int:
    return zlib.crc32(hashlib.sha1(f"{action_id}|complete".encode()).hexdigest().encode())


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT UTC_TIMESTAMP(), NOW()", [["2026-05-04T12:00:00"] * 2]),
        (
            """
            SELECT COUNT(*) FROM core_action WHERE created_at > UTC_TIMESTAMP() - INTERVAL 1 HOUR
            AND created_at < DATE_ADD(NOW(), INTERVAL 1 DAY)
            """,
            [[4]],
        ),
        ("SELECT MAX(id) FROM core_action WHERE created_at < NOW() - INTERVAL 9 SECOND", [[None]]),
        (
            "SELECT page_id, id DIV 1000, COUNT(*) FROM core_action GROUP BY page_id, id DIV 1000",
            [[1, 0, 3], [2, 0, 1]],
        ),
        (
            """
            SELECT page_id, id DIV 2 AS part, MIN(id) FROM core_action
            GROUP BY page_id, id DIV 2 HAVING COUNT(*) > 1
            """,
            [[1, 1, 2]],
        ),
        ("SELECT COUNT(DISTINCT user_id) FROM core_action", [[3]]),
        ("SELECT COUNT(DISTINCT user_id, page_id) FROM core_action", [[4]]),
        ("SELECT COUNT(DISTINCT user_id, mailing_id) FROM core_action", [[0]]),
        ("SELECT COUNT(DISTINCT LOWER(TRIM(value))) FROM core_actionfield", [[3]]),
        (
            """
            SELECT page_id, SUM(CRC32(SHA1(CONCAT_WS('|', id, status)))) FROM core_action
            GROUP BY page_id
            """,
            [[1, checksum(1) + checksum(2) + checksum(3)], [2, checksum(4)]],
        ),
        (
            """
            SELECT u.id, (SELECT COUNT(*) FROM core_action a WHERE a.user_id = u.id),
            (SELECT MAX(a.created_at) FROM core_action a WHERE a.user_id = u.id
            AND a.page_id = 2) FROM core_user u
            """,
            [[1, 2, "2026-05-04T12:00:00.250000"], [2, 1, None], [3, 1, None]],
        ),
        (
            """
            SELECT a.id, (SELECT GROUP_CONCAT(f.value ORDER BY f.id SEPARATOR '; ')
            FROM core_actionfield f WHERE f.parent_id = a.id AND f.name = 'X')
            FROM core_action a WHERE a.user_id = 1
            """,
            [[1, "a; B"], [4, None]],
        ),
        (
            """
            SELECT u.id FROM core_user u WHERE EXISTS (SELECT 1 FROM core_action a
            JOIN core_page p ON p.id = a.page_id
            WHERE a.user_id = u.id AND p.type = 'Signup')
            """,
            [[1]],
        ),
        (
            """
            SELECT u.id, EXISTS (SELECT * FROM core_action a
            WHERE a.user_id = u.id AND a.page_id = 2) FROM core_user u
            """,
            [[1, 1], [2, 0], [3, 0]],
        ),
        (
            """
            SELECT u.id FROM core_user u WHERE NOT EXISTS (SELECT 1 FROM core_action a
            WHERE a.user_id = u.id AND a.page_id = 2)
            """,
            [[2], [3]],
        ),
        (
            """
            SELECT id FROM core_action WHERE (page_id, id) IN
            (SELECT page_id, MAX(id) FROM core_action GROUP BY page_id)
            """,
            [[3], [4]],
        ),
        ("SELECT id FROM core_action WHERE (page_id, id) IN ((1, 2), (1, 3))", [[2], [3]]),
        ("SELECT FLOOR(7 / 2), CEIL(7 / 2), FLOOR(-7 / 2)", [[3, 4, -4]]),
    ],
)
def test_reports_on_actions(caller: Caller, query: str, rows: list[list[Any]]) -> None:
    assert caller.sql(query) == rows


def test_decimals_may_be_texts(caller: Caller) -> None:
    query = (
        "SELECT page_id, SUM(id), COALESCE(SUM(id), 0) + 1, SUM(id) MOD 4, AVG(id), COUNT(*),"
        " CAST(SUM(id) AS UNSIGNED), MAX(id) FROM core_action GROUP BY page_id LIMIT 1"
    )
    assert caller.sql(query) == [[1, 6, 7, 2, 2.0, 3, 6, 3]]
    caller.twin.switch(sql_decimals="text")
    assert caller.sql(query) == [[1, "6", "7", "2", "2.0", 3, 6, 3]]
    nested = "SELECT t.s FROM (SELECT SUM(id) AS s FROM core_action) t UNION ALL SELECT 1"
    assert caller.sql(nested) == [["10"], [1]]


def test_a_report_shows_an_action_only_when_the_replica_has_it(caller: Caller) -> None:
    caller.twin.switch(replica_lag_seconds=5)
    caller.twin.take_action("join", {"action_x": "1"}, 2)
    caller.twin.add_past_actions("join", [3], fields={"x": ["1", "2"]})
    query = "SELECT COUNT(*), (SELECT COUNT(*) FROM core_actionfield) FROM core_action"
    assert caller.sql(query) == [[4, 9]]
    assert caller.get("action/")["meta"]["total_count"] == 6
    caller.wait(5)
    assert caller.sql(query) == [[6, 12]]
    assert caller.sql("SELECT COUNT(*) FROM core_signupaction") == [[3]]
