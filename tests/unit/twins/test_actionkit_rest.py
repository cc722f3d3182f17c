from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.twins.actionkit_client import Caller


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_wrong_or_missing_login_is_an_empty_401_and_is_counted(caller: Caller) -> None:
    for login in (None, "Basic d3Jvbmc6bG9naW4=", "Bearer x", "Basic ???"):
        response = caller.call("GET", "user/", login=login)
        assert (response.status, response.body) == (401, b"")
        assert response.headers["WWW-Authenticate"] == 'Basic Realm="django-tastypie"'
    assert caller.twin.failed_logins == 3


def test_the_account_locks_after_failed_logins() -> None:
    caller = Caller(lock_after_failed_logins=2)
    assert [caller.call("GET", "", login="Basic eDp5").status for _ in range(3)] == [401, 401, 403]
    assert caller.call("GET", "").status == 403


def test_a_missing_slash_is_a_redirect_that_keeps_the_query(caller: Caller) -> None:
    response = caller.call("GET", "user?email=a%2Bb@example.org")
    assert response.status == 301
    assert response.headers["Location"] == "/rest/v1/user/?email=a%2Bb%40example.org"


def test_malformed_paths_are_500_with_the_usual_text(caller: Caller) -> None:
    for method, path in (("GET", "/rest/v1//user/"), ("PUT", "user/")):
        response = caller.call(method, path, {})
        assert response.status == 500
        assert set(response.json()) == {"error"}


def test_discovery_and_schema(caller: Caller) -> None:
    listed = caller.get("")
    assert listed["user"] == {
        "list_endpoint": "/rest/v1/user/",
        "schema": "/rest/v1/user/schema/",
    }
    assert {"userfield", "phone", "importpage", "importaction", "usergroup", "upload"} <= set(
        listed
    )
    schema = caller.get("user/schema/")
    assert schema["filtering"]["email"] == "all"
    assert "updated_at" not in schema["filtering"]
    assert schema["allowed_list_http_methods"] == ["get", "post"]
    caller.twin.switch(updated_at_filter=True)
    assert caller.get("user/schema/")["filtering"]["updated_at"] == "all"


@pytest.mark.parametrize("status", [401, 403])
def test_a_resource_without_permission(caller: Caller, status: int) -> None:
    caller.twin.switch(forbidden=["phone"], missing_permission_status=status)
    assert caller.call("GET", "phone/").status == status
    assert caller.call("GET", "phone/schema/").status == status
    assert caller.call("GET", "user/").status == 200


def test_sql_can_be_forbidden(caller: Caller) -> None:
    caller.twin.switch(sql_forbidden=True)
    assert caller.call("POST", "report/run/sql/", {"query": "SELECT 1"}).status == 403


def test_a_user_is_created_read_changed_and_deleted(caller: Caller) -> None:
    response = caller.call("POST", "user/", {"email": "ada@example.org", "first_name": " Ada "})
    assert (response.status, response.body) == (201, b"")
    assert response.headers["Location"] == "https://act.example.org/rest/v1/user/1/"
    user = caller.get("user/1/")
    assert user["first_name"] == "Ada"
    assert user["last_name"] == ""
    assert user["subscription_status"] == "never"
    assert user["created_at"] == "2026-05-04T12:00:00.250000"
    assert user["actions"] == "/rest/v1/action/?user=1"
    assert user["token"] == caller.twin.akid(1)
    caller.wait(1)
    assert caller.call("PATCH", "user/1/", {"city": "Rome"}).status == 202
    assert caller.call("PUT", "user/1/", {"city": "Oslo"}).status == 204
    assert caller.get("user/1/")["city"] == "Oslo"
    assert caller.get("user/1/")["updated_at"] == "2026-05-04T12:00:01.250000"
    assert caller.call("DELETE", "user/1/").status == 204
    gone = caller.call("GET", "user/1/")
    assert (gone.status, gone.body) == (404, b"")


def test_an_address_in_use_is_409_with_its_owner(caller: Caller) -> None:
    caller.twin.add_user("ada@example.org")
    caller.twin.add_user("bob@example.org")
    for method, path in (("POST", "user/"), ("PATCH", "user/2/")):
        response = caller.call(method, path, {"email": "ADA@example.org"})
        assert response.status == 409
        assert response.headers["Location"].endswith("/rest/v1/user/1/")
        assert list(response.json()["errors"]) == ["email"]


def test_resource_errors_are_by_resource_and_field(caller: Caller) -> None:
    assert caller.call("POST", "user/", {}).json() == {
        "user": {"email": ["This field is required."]}
    }
    assert list(caller.call("POST", "importpage/", {}).json()["importpage"]) == ["name"]
    assert caller.call("POST", "user/", b"{nope").status == 400


def test_lists_page_and_keep_their_filters(caller: Caller) -> None:
    for number in range(130):
        caller.twin.add_user(f"u{number}@example.org", source="a" if number % 2 else "b")
    page = caller.get("user/?source=a&_limit=20&order_by=id")
    assert page["meta"]["total_count"] == 65
    assert page["meta"]["previous"] is None
    ids: list[int] = []
    while True:
        ids += [user["id"] for user in page["objects"]]
        if page["meta"]["next"] is None:
            break
        page = caller.get(page["meta"]["next"])
    assert ids == list(range(2, 131, 2))
    assert caller.get("user/?_limit=500")["meta"]["limit"] == 100
    assert caller.get("user/")["meta"]["limit"] == 20


def test_lists_are_not_by_id_unless_asked(caller: Caller) -> None:
    for number in range(30):
        caller.twin.add_user(f"u{number}@example.org")
    ids = [user["id"] for user in caller.get("user/?_limit=100")["objects"]]
    assert ids != sorted(ids)
    assert [user["id"] for user in caller.get("user/?_limit=100")["objects"]] == ids
    down = [user["id"] for user in caller.get("user/?order_by=-id")["objects"]]
    assert down == list(range(30, 10, -1))
    assert caller.call("GET", "user/?order_by=updated_at").status == 400


def test_filters(caller: Caller) -> None:
    ids = [caller.twin.add_user(f"{name}+x@example.org") for name in ("ada", "bob", "cyd")]

    def found(query: str) -> list[int]:
        return [user["id"] for user in caller.get(f"user/?{query}&order_by=id")["objects"]]

    assert found("email=BOB%2Bx@example.org") == [ids[1]]
    assert found("id__in=1&id__in=3") == [1, 3]
    assert found("id__in=1,3") == [1, 3]
    assert found("id__gt=1") == [2, 3]
    assert found("email__contains=yd") == [3]
    assert found("no_such_thing=1") == ids
    assert caller.call("GET", "user/?city=Rome").status == 400
    assert caller.call("GET", "user/?updated_at__gte=2026-01-01T00:00:00").status == 400
    caller.twin.switch(updated_at_filter=True)
    assert found("updated_at__gte=2026-01-01T00:00:00") == ids
    assert found("updated_at__gt=2026-05-05T00:00:00") == []


def test_userfields_are_defined_by_name(caller: Caller) -> None:
    response = caller.call("POST", "alloweduserfield/", {"name": "opt_in", "display_name": "Texts"})
    assert response.status == 201
    assert response.headers["Location"].endswith("/rest/v1/alloweduserfield/opt_in/")
    again = caller.call("POST", "alloweduserfield/", {"name": "Opt_in"})
    assert again.status == 409
    assert again.headers["Location"].endswith("/rest/v1/alloweduserfield/opt_in/")
    definition = caller.get("alloweduserfield/opt_in/")
    assert definition["display_name"] == "Texts"
    assert definition["allow_multiple"] is False
    assert caller.get("alloweduserfield/?name=opt_in")["meta"]["total_count"] == 1


@pytest.mark.parametrize(("unknown", "kept"), [("merge", True), ("replace", False)])
def test_fields_of_a_patch_merge_or_replace(unknown: str, kept: bool) -> None:
    caller = Caller(patch_fields=unknown)
    for name in ("a", "b"):
        caller.twin.define_userfield(name)
    caller.twin.define_userfield("many", allow_multiple=True)
    caller.twin.add_user("ada@example.org")
    caller.twin.set_field(1, "a", "1")
    caller.call("PATCH", "user/1/", {"fields": {"b": "2", "many": ["x", "y"]}})
    fields = caller.get("user/1/")["fields"]
    assert fields.pop("a", None) == ("1" if kept else None)
    assert fields == {"b": "2", "many": ["x", "y"]}


def test_an_undefined_field_of_a_patch_is_400(caller: Caller) -> None:
    caller.twin.add_user("ada@example.org")
    assert caller.call("PATCH", "user/1/", {"fields": {"nope": "1"}}).status == 400


def test_userfield_rows(caller: Caller) -> None:
    caller.twin.define_userfield("opt_in")
    caller.twin.add_user("ada@example.org")
    body = {"user": "/rest/v1/user/1/", "name": "opt_in", "value": "yes"}
    assert caller.call("POST", "userfield/", body).status == 201
    assert caller.call("POST", "userfield/", {**body, "name": "nope"}).status == 400
    row = caller.get("userfield/?user=1&name=opt_in")["objects"][0]
    assert row["value"] == "yes"
    assert caller.call("PUT", row["resource_uri"], {"name": "opt_in", "value": "no"}).status == 204
    assert caller.get("user/1/")["fields"] == {"opt_in": "no"}
    assert caller.call("DELETE", row["resource_uri"]).status == 204
    assert caller.get("user/1/")["fields"] == {}


@pytest.mark.parametrize(
    ("unknown", "status", "numbers"),
    [("update", 201, ["2"]), ("conflict", 409, ["1"]), ("refuse", 400, ["1"])],
)
def test_a_second_phone_of_a_type_and_source(unknown: str, status: int, numbers: list[str]) -> None:
    caller = Caller(second_phone=unknown)
    caller.twin.add_user("ada@example.org")
    body = {"user": "https://act.example.org/rest/v1/user/1/", "type": "mobile", "phone": "1"}
    assert caller.call("POST", "phone/", body).status == 201
    response = caller.call("POST", "phone/", {**body, "user": 1, "phone": "2"})
    assert response.status == status
    if status == 409:
        assert response.headers["Location"].endswith("/rest/v1/phone/1/")
    assert [row["phone"] for row in caller.get("phone/?user=1")["objects"]] == numbers


def test_phones_are_uris_on_the_user_and_have_digits(caller: Caller) -> None:
    caller.twin.add_user("ada@example.org")
    caller.twin.add_phone(1, "+1 (202) 555-0100")
    assert caller.get("user/1/")["phones"] == ["/rest/v1/phone/1/"]
    phone = caller.get("phone/1/")
    assert phone["normalized_phone"] == "12025550100"
    assert phone["user"] == "/rest/v1/user/1/"
    caller.twin.switch(normalized_phone_drops_one=True)
    assert caller.call("PATCH", "phone/1/", {"phone": "+1 202 555 0101"}).status == 202
    assert caller.get("phone/1/")["normalized_phone"] == "2025550101"
    assert caller.call("DELETE", "phone/1/").status == 204


def test_import_pages_can_be_made_and_are_shown_as_typed_pages(caller: Caller) -> None:
    response = caller.call("POST", "importpage/", {"name": "texting-sync", "title": "Texting"})
    assert response.status == 201
    location = response.headers["Location"]
    assert location.endswith("/rest/v1/importpage/1/")
    again = caller.call("POST", "importpage/", {"name": "texting-sync"})
    assert again.status == 409
    assert again.headers["Location"] == location
    caller.twin.add_page("join", "Signup", title="Join us")
    pages = caller.get("page/?order_by=id")["objects"]
    assert [page["resource_uri"] for page in pages] == [
        "/rest/v1/importpage/1/",
        "/rest/v1/signuppage/2/",
    ]
    assert caller.get("page/2/")["type"] == "Signup"
    assert caller.get("page/2/")["followup"]["send_email"] is True
    assert "followup" not in caller.get("importpage/1/")
    assert caller.get("importpage/1/")["subscribe"] is False
    assert caller.call("GET", "petitionpage/2/").status == 404
    assert caller.get("importpage/")["meta"]["total_count"] == 1
    assert caller.call("POST", "signuppage/", {"name": "x"}).status == 405


def test_usergroups_and_membership(caller: Caller) -> None:
    assert caller.call("POST", "usergroup/", {"name": "Leaders"}).status == 201
    assert caller.call("POST", "usergroup/", {"name": "leaders"}).status == 409
    caller.twin.add_user("ada@example.org")
    caller.twin.join(1, 1)
    group = {"name": "Leaders", "resource_uri": "/rest/v1/usergroup/1/"}
    assert caller.get("user/1/")["groups"] == [group]
    caller.call("PATCH", "user/1/", {"groups": []})
    assert caller.get("user/1/")["groups"] == []


@pytest.mark.parametrize(("unknown", "status"), [("missing", 404), ("redirect", 301)])
def test_a_merged_user(unknown: str, status: int) -> None:
    caller = Caller(merged_user=unknown)
    caller.twin.define_userfield("opt_in")
    for name in ("ada", "bob"):
        caller.twin.add_user(f"{name}@example.org")
    caller.twin.add_page("join")
    caller.twin.take_action("join", {"email": "bob@example.org", "user_opt_in": "yes"})
    body: dict[str, Any] = {"primary_user": "/rest/v1/user/1/", "users": ["/rest/v1/user/2/"]}
    assert caller.call("POST", "usermerge/", body).status == 201
    response = caller.call("GET", "user/2/")
    assert response.status == status
    if status == 301:
        assert response.headers["Location"].endswith("/user/1/")
    assert caller.twin.user(1)["fields"] == {"opt_in": ["yes"]}
    assert caller.twin.actions()[0]["user_id"] == 1
    rows = caller.sql(
        "SELECT u.user_id, m.primary_id FROM core_usermerge m"
        " JOIN core_usermerge_users u ON u.usermerge_id = m.id"
    )
    assert rows == [[2, 1]]


def test_erasing_leaves_nothing_personal(caller: Caller) -> None:
    caller.twin.define_userfield("opt_in")
    caller.twin.add_user("ada@example.org", first_name="Ada")
    caller.twin.set_field(1, "opt_in", "yes")
    caller.twin.add_phone(1, "2025550100")
    assert caller.call("POST", "eraser/", {"email": "ada@example.org"}).status == 201
    user = caller.twin.user(1)
    assert (user["first_name"], user["fields"], user["phones"]) == ("", {}, [])
    assert "ada" not in user["email"]


def test_a_user_imported_with_an_old_time(caller: Caller) -> None:
    old = caller.now - timedelta(days=3000)
    user = caller.twin.add_user("ada@example.org", at=old, first_name="Ada")
    row = caller.twin.user(user)
    assert row["created_at"] == row["updated_at"] == old.strftime("%Y-%m-%d %H:%M:%S.%f")
    assert row["first_name"] == "Ada"


def test_a_row_without_a_time_moves_no_clock() -> None:
    caller = Caller(user_updated_by=["userfield"])
    caller.twin.define_userfield("skills", allow_multiple=True)
    ada = caller.twin.add_user("ada@example.org")
    before = caller.twin.user(ada)["updated_at"]
    caller.wait(5)
    caller.twin.import_field(ada, "skills", "juggling", at=caller.now - timedelta(days=3000))
    row_id = caller.twin.import_field(ada, "SKILLS", "singing")
    assert [row["updated_at"] is None for row in caller.twin.userfield_rows(ada)] == [False, True]
    assert caller.twin.user(ada)["updated_at"] == before
    caller.twin.remove_field_row(row_id)
    assert caller.twin.user(ada)["fields"] == {"skills": ["juggling"]}
    assert caller.twin.user(ada)["updated_at"] > before


def test_lists_filtered_by_time_are_ordered_by_it_too() -> None:
    caller = Caller(updated_at_filter=True)
    for name in ("ada", "bob"):
        caller.twin.add_user(f"{name}@example.org")
        caller.wait(5)
    caller.twin.edit_user(1, first_name="Ada")
    assert "updated_at" in caller.get("user/schema/")["ordering"]
    path = "user/?updated_at__gte=2026-05-04T12:00:05&order_by=-updated_at"
    assert [user["id"] for user in caller.get(path)["objects"]] == [1, 2]
    caller.twin.switch(updated_at_filter=False)
    assert "updated_at" not in caller.get("user/schema/")["ordering"]
    assert caller.call("GET", "user/?order_by=updated_at").status == 400
