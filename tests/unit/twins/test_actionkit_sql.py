from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.unit.twins.actionkit_client import Caller

SHAPE = """
SELECT 'user', u.id, u.email, u.updated_at FROM core_user u WHERE u.id IN (1, 2)
UNION ALL
SELECT 'field', f.parent_id, f.value, f.updated_at FROM core_userfield f WHERE f.parent_id IN (1, 2)
UNION ALL
SELECT 'group', g.user_id, g.usergroup_id, NULL FROM core_user_groups g WHERE g.user_id IN (1,2,3)
UNION ALL
SELECT 'mark', COALESCE(MAX(a.id), 0), NULL, NULL FROM core_action a
"""


@pytest.fixture
def caller() -> Caller:
    caller = Caller()
    caller.twin.define_userfield("opt_in")
    for number, value in enumerate(("Yes", "yes", "no"), start=1):
        user_id = caller.twin.add_user(f"u{number}@example.org", first_name=f"N{number}")
        caller.twin.set_field(user_id, "opt_in", value)
        caller.twin.add_phone(user_id, f"202-555-010{number}")
    group = caller.twin.add_usergroup("Leaders")
    caller.twin.join(3, group)
    return caller


def test_a_report_is_an_array_of_arrays(caller: Caller) -> None:
    assert caller.sql(
        "SELECT id, email FROM core_user WHERE id > {{ after }} LIMIT 1", after=1
    ) == [[2, "u2@example.org"]]


def test_parameters_are_quoted(caller: Caller) -> None:
    rows = caller.sql("SELECT {{ text }}, {{ none }}, {{ n }}", text="it's \\ {{", none=None, n=3)
    assert rows == [["it's \\ {{", None, 3]]
    for body in ({"query": "SELECT {{ x }}"}, {"query": "SELECT {{ x }}", "x": [1]}):
        assert caller.call("POST", "report/run/sql/", body).status == 400


def test_csv_has_a_header(caller: Caller) -> None:
    response = caller.call(
        "POST",
        "report/run/sql/",
        {"query": "SELECT u.id, email AS address, COUNT(*) FROM core_user u GROUP BY 1, 2 LIMIT 1"},
        {"accept": "text/csv"},
    )
    assert list(csv.reader(io.StringIO(response.body.decode()))) == [
        ["id", "address", "COUNT(*)"],
        ["1", "u1@example.org", "1"],
    ]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM core_user",
        "UPDATE core_user SET email = 'x'",
        "DROP TABLE core_user",
        "SELECT 1; SELECT 2",
        "SELECT FROM WHERE",
        "PRAGMA table_info(core_user)",
        "SELECT * FROM sqlite_master",
        "SELECT nope FROM core_user",
        "SELECT `nope` FROM core_user",
        "SELECT id FROM core_user LIMIT '1'",
        "SELECT id FROM core_user WHERE updated_at > '2026-01-01T10:00:00Z'",
        "",
    ],
)
def test_what_is_refused(caller: Caller, query: str) -> None:
    response = caller.call("POST", "report/run/sql/", {"query": query})
    assert response.status == 400
    assert isinstance(response.json()["errors"], str)
    assert len(caller.twin.users()) == 3


def test_more_than_ten_thousand_rows_are_refused(caller: Caller) -> None:
    many = " CROSS JOIN ".join(f"core_user u{number}" for number in range(9))
    assert len(caller.sql(f"SELECT 1 FROM {many} LIMIT 10000")) == 10_000
    response = caller.call("POST", "report/run/sql/", {"query": f"SELECT 1 FROM {many}"})
    assert response.status == 400


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("CONCAT('a', 1, 'b')", "a1b"),
        ("CONCAT('a', NULL)", None),
        ("CONCAT_WS('-', 'a', NULL, 'b')", "a-b"),
        ("GREATEST(1, 3, 2)", 3),
        ("GREATEST(1, NULL)", None),
        ("RIGHT('abcdef', 3)", "def"),
        ("RIGHT('ab', 3)", "ab"),
        ("LEFT('abcdef', 3)", "abc"),
        ("CRC32('abc')", 891568578),
        ("MD5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA2('abc', 256)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("UNIX_TIMESTAMP('2026-01-01 00:00:00')", 1767225600),
        ("UTC_TIMESTAMP()", "2026-05-04T12:00:00"),
        ("NOW(6)", "2026-05-04T12:00:00.250000"),
        ("NOW() - INTERVAL 15 MINUTE", "2026-05-04T11:45:00"),
        ("DATE_SUB(UTC_TIMESTAMP(), INTERVAL 1 MONTH)", "2026-04-04T12:00:00"),
        ("DATE_FORMAT(NOW(), '%Y-%m-%dT%H:%i:%s')", "2026-05-04T12:00:00"),
        ("TIMESTAMPDIFF(SECOND, '2026-01-01', '2026-01-02')", 86400),
        ("IF(1 > 2, 'a', 'b')", "b"),
        ("IFNULL(NULL, 'x')", "x"),
        ("'Yes' = 'yes' COLLATE utf8mb4_bin", 0),
        ("'x' <=> NULL", 0),
        ("'Ab' REGEXP '^a'", 1),
        ("REGEXP_REPLACE('a-1', '[^0-9]', '')", "1"),
        ("SUBSTRING_INDEX('a@b@c', '@', -1)", "c"),
        ("CONV('ff', 16, 10)", "255"),
        ("7 ^ 2", 5),
        ("7 DIV 2", 3),
        ("CAST('12' AS UNSIGNED) + 1", 13),
        ("CHAR_LENGTH('é')", 1),
        ("LENGTH('é')", 2),
        ("LPAD('7', 3, '0')", "007"),
        ("FIELD('b', 'a', 'b')", 2),
        ("QUOTE(NULL)", "NULL"),
        ("QUOTE('it''s')", "'it\\'s'"),
        ("QUOTE(7)", "'7'"),
        ("CRC32(SHA1('abc'))", 279656356),
        ("TRIM(REPLACE(' a', CHAR(9), ' '))", "a"),
    ],
)
def test_the_dialect(caller: Caller, expression: str, value: Any) -> None:
    assert caller.sql(f"SELECT {expression}") == [[value]]


def test_a_time_is_quoted_as_it_is_stored() -> None:
    for microseconds, shown in ((True, "12:00:00.250000"), (False, "12:00:00")):
        caller = Caller(microseconds=microseconds)
        caller.twin.add_user("ada@example.org")
        quoted = [[f"'2026-05-04 {shown}'"]]
        assert caller.sql("SELECT QUOTE(updated_at) FROM core_user") == quoted


def test_aggregates(caller: Caller) -> None:
    rows = caller.sql(
        "SELECT BIT_XOR(id), MAX(id), GROUP_CONCAT(email ORDER BY id DESC SEPARATOR '|')"
        " FROM core_user"
    )
    assert rows == [[0, 3, "u3@example.org|u2@example.org|u1@example.org"]]
    distinct = caller.sql("SELECT GROUP_CONCAT(DISTINCT value ORDER BY value) FROM core_userfield")
    assert distinct == [["no,Yes"]]
    assert len(caller.sql("SELECT GROUP_CONCAT(REPEAT_ME) FROM (SELECT 'x' AS REPEAT_ME) t")) == 1


def test_text_compares_without_case_unless_binary(caller: Caller) -> None:
    grouped = "SELECT value, COUNT(*) FROM core_userfield WHERE name = 'OPT_IN' GROUP BY value"
    assert caller.sql(grouped + " ORDER BY 2 DESC") == [["Yes", 2], ["no", 1]]
    exact = "SELECT BINARY value, COUNT(*) FROM core_userfield GROUP BY BINARY value ORDER BY 1"
    assert caller.sql(exact) == [["Yes", 1], ["no", 1], ["yes", 1]]


def test_times_compare_in_either_form(caller: Caller) -> None:
    for literal in ("2026-05-04T12:00:00.25", "2026-05-04 12:00:00.250000"):
        query = f"SELECT COUNT(*) FROM core_user WHERE updated_at >= '{literal}'"
        assert caller.sql(query) == [[3]]
        assert caller.sql(query.replace(">=", ">")) == [[0]]
    keyset = "SELECT id FROM core_user WHERE (updated_at, id) > ('2026-05-04T12:00:00.25', 2)"
    assert caller.sql(keyset) == [[3]]
    assert caller.sql("SELECT id FROM core_user WHERE created_at > {{ t }}", t="2026-05-05") == []


@pytest.mark.parametrize(
    ("form", "microseconds", "shown"),
    [
        ("iso", True, "2026-05-04T12:00:00.250000"),
        ("iso", False, "2026-05-04T12:00:00"),
        ("space", True, "2026-05-04 12:00:00.250000"),
        ("space", False, "2026-05-04 12:00:00"),
    ],
)
def test_the_form_of_times(form: str, microseconds: bool, shown: str) -> None:
    caller = Caller(sql_datetimes=form, microseconds=microseconds)
    caller.twin.add_user("a@example.org")
    assert caller.sql("SELECT updated_at, MAX(created_at) FROM core_user") == [[shown, shown]]
    assert caller.get("user/1/")["updated_at"] == shown.replace(" ", "T")


def test_unions_with_parts_of_their_own(caller: Caller) -> None:
    query = (
        "(SELECT id FROM core_user ORDER BY id DESC LIMIT 1)"
        " UNION ALL (SELECT id FROM core_user ORDER BY id LIMIT 1)"
    )
    assert caller.sql(query) == [[3], [1]]
    with_query = "WITH some AS (SELECT id FROM core_user WHERE id IN ({})) SELECT * FROM some"
    assert caller.sql(with_query.format("2,3")) == [[2], [3]]


def test_results_are_cached_by_text(caller: Caller) -> None:
    def count(**options: Any) -> int:
        body = {"query": "SELECT COUNT(*) FROM core_user", **options}
        answer: int = caller.call("POST", "report/run/sql/", body).json()[0][0]
        return answer

    assert count() == 3
    caller.twin.add_user("new@example.org")
    assert count() == 3
    assert caller.sql("SELECT COUNT(*) FROM core_user /* 1 */") == [[4]]
    assert count(cache_duration=0) == 4
    caller.twin.add_user("new2@example.org")
    assert count() == 4
    assert count(refresh=True) == 5
    caller.twin.add_user("new3@example.org")
    caller.wait(601)
    assert count() == 6
    caller.twin.switch(sql_result_cache=False)
    caller.twin.add_user("new4@example.org")
    assert count() == 7


def test_a_lagging_replica(caller: Caller) -> None:
    caller.twin.switch(replica_lag_seconds=30)
    query = "SELECT email FROM core_user WHERE id = 1"
    caller.twin.edit_user(1, email="first@example.org")
    caller.wait(20)
    caller.twin.edit_user(1, email="second@example.org")
    assert caller.sql(query) == [["u1@example.org"]]
    assert caller.get("user/1/")["email"] == "second@example.org"
    caller.wait(10)
    assert caller.sql(query) == [["first@example.org"]]
    caller.wait(20)
    assert caller.sql(query) == [["second@example.org"]]
    caller.twin.delete_user(1)
    assert caller.sql(query) == [["second@example.org"]]
    caller.twin.switch(replica_lag_seconds=0)
    assert caller.sql(query) == []


def test_clock_skew(caller: Caller) -> None:
    caller.twin.switch(clock_skew_seconds=-780)
    user_id = caller.twin.add_user("late@example.org")
    assert caller.sql("SELECT NOW()") == [["2026-05-04T11:47:00"]]
    assert caller.get(f"user/{user_id}/")["created_at"] == "2026-05-04T11:47:00.250000"


@pytest.mark.parametrize(
    ("query", "users"),
    [
        (SHAPE, 2),
        ("SELECT id FROM core_user", 0),
        ("SELECT id, updated_at FROM core_user", 0),
        ("SELECT user_id, usergroup_id FROM core_user_groups", 0),
        ("SELECT COUNT(*), MAX(id), MAX(updated_at), BIT_XOR(CRC32(email)) FROM core_user", 0),
        ("SELECT id, CRC32(CONCAT(email, first_name)) FROM core_user", 0),
        ("SELECT parent_id FROM core_userfield WHERE name = 'opt_in' AND value = 'yes'", 0),
        ("SELECT value, COUNT(*) FROM core_userfield GROUP BY value", 0),
        ("SELECT id, email FROM core_user", 3),
        ("SELECT * FROM core_phone", 3),
        ("SELECT u.*, p.phone FROM core_user u JOIN core_phone p ON p.user_id = u.id", 3),
        ("SELECT email FROM core_user", 3),
        ("SELECT p.user_id, p.phone FROM core_phone p WHERE p.user_id IN (1, 2)", 2),
        ("SELECT parent_id, MAX(IF(name = 'opt_in', value, '')) FROM core_userfield GROUP BY 1", 3),
        ("SELECT u.id, (SELECT GROUP_CONCAT(phone) FROM core_phone) FROM core_user u", 3),
        ("WITH x AS (SELECT id AS i, email AS e FROM core_user) SELECT i, e FROM x", 3),
        ("SELECT t.i, t.v FROM (SELECT parent_id i, value v FROM core_userfield) t LIMIT 2", 2),
        ("SELECT id, email FROM core_user UNION SELECT user_id, phone FROM core_phone", 3),
    ],
)
def test_whose_values_a_report_shows(caller: Caller, query: str, users: int) -> None:
    caller.sql(query)
    assert caller.twin.most_users_in_any_60_seconds() == users


def test_actionfields_count_as_the_actions_user(caller: Caller) -> None:
    caller.twin.add_page("join")
    for _ in range(2):
        caller.twin.take_action("join", {"email": "u1@example.org", "action_x": "1"})
    caller.sql("SELECT parent_id, value FROM core_actionfield")
    assert caller.twin.most_users_in_any_60_seconds() == 1


def test_a_look_at_fifty_users_is_quick_in_a_long_list() -> None:
    caller = Caller()
    caller.twin.define_userfield("opt_in")
    for number in range(3000):
        user_id = caller.twin.add_user(f"u{number}@example.org")
        caller.twin.set_field(user_id, "opt_in", "yes")
        caller.twin.add_phone(user_id, f"202555{number // 2:04}")
    ids = ",".join(str(number) for number in range(1000, 1050))
    look = f"""
        SELECT 'user', id, email, NULL FROM core_user WHERE id IN ({ids}) UNION ALL
        SELECT 'field', parent_id, value, name FROM core_userfield WHERE parent_id IN ({ids})
        UNION ALL SELECT 'phone', user_id, phone, type FROM core_phone WHERE user_id IN ({ids})
        UNION ALL SELECT 'sharer', q.user_id, q.phone, q.type FROM core_phone p
        JOIN core_phone q ON q.normalized_phone = p.normalized_phone AND q.user_id <> p.user_id
        WHERE p.user_id IN ({ids})"""
    rows = caller.sql(look)
    assert len(rows) == 200
    plan = caller.twin.explain(look)
    assert plan
    assert not [step for step in plan if step.startswith("SCAN") and "JSON_EACH" not in step]
