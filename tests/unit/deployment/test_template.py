"""What template.yaml must keep, whatever is added to it (O2, O4, C3)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from instep.bootstrap import Environment
from instep.use_cases.ports import INDEXES
from tests.unit.deployment.template import (
    RESOURCES,
    ROOT,
    TEMPLATE,
    TEXT,
    as_list,
    of_type,
    statements,
)

FUNCTIONS = of_type("AWS::Serverless::Function")
TABLES = of_type("AWS::DynamoDB::Table")
QUEUES = of_type("AWS::SQS::Queue")
MAPPINGS = of_type("AWS::Lambda::EventSourceMapping")
GLOBALS = TEMPLATE["Globals"]["Function"]


def name_in(reference: Any) -> str:
    """The logical name that a Ref or GetAtt points to."""
    (value,) = reference.values()
    return str(value).partition(".")[0]


def variables(function: str) -> dict[str, Any]:
    own = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    return {**GLOBALS["Environment"]["Variables"], **own}


def handler(function: str) -> Path:
    folder: str = FUNCTIONS[function]["CodeUri"]
    return ROOT / folder / "handler.py"


# --- functions --------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_of_its_own(function: str) -> None:
    role = name_in(FUNCTIONS[function]["Role"])
    users = [name for name, one in FUNCTIONS.items() if name_in(one["Role"]) == role]
    assert users == [function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_log_group_that_forgets_and_that_its_role_may_write(
    function: str,
) -> None:
    group = name_in(FUNCTIONS[function]["LoggingConfig"]["LogGroup"])
    assert RESOURCES[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    role = name_in(FUNCTIONS[function]["Role"])
    written = [
        one for name, one in statements() if name == role and "logs:PutLogEvents" in str(one)
    ]
    assert [name_in(one["Resource"]) for one in written] == [group]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_there_and_handles(function: str) -> None:
    assert GLOBALS["Handler"] == "handler.handle"
    assert re.search(r"^def handle\(", handler(function).read_text(), re.MULTILINE)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_told_what_is_read_and_no_more(function: str) -> None:
    """Environment in bootstrap.py is what the application reads; handlers may read by name."""
    told = {name for name in variables(function) if not name.startswith("POWERTOOLS_")}
    by_handler = set(
        re.findall(r'environ(?:\.get)?[\[(]"([A-Z_]+)"', handler(function).read_text())
    )
    known = {name.upper() for name in Environment.model_fields}
    assert told <= known | by_handler
    needed = {name.upper() for name, one in Environment.model_fields.items() if one.is_required()}
    assert needed | by_handler <= told


def test_everything_that_the_application_reads_is_told_to_some_function() -> None:
    told = {name.lower() for function in FUNCTIONS for name in variables(function)}
    assert set(Environment.model_fields) <= told


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_an_alarm_for_its_errors(function: str) -> None:
    watched = [
        name_in(one["Dimensions"][0]["Value"])
        for one in of_type("AWS::CloudWatch::Alarm").values()
        if (one["Namespace"], one["MetricName"]) == ("AWS/Lambda", "Errors")
    ]
    assert watched.count(function) == 1


def test_no_function_has_a_fixed_name() -> None:
    assert not [name for name, one in FUNCTIONS.items() if "FunctionName" in one]


# --- permissions ------------------------------------------------------------------------------


def test_every_statement_says_what_it_is_for() -> None:
    lines = TEXT.splitlines()
    unsaid = []
    for number, line in enumerate(lines):
        if re.match(r"\s+- (Effect:|\{Effect:)", line) and "sts:AssumeRole" not in line:
            before = lines[number - 1].strip()
            if not before.startswith("#"):
                unsaid.append(number + 1)
    assert not unsaid


def test_a_star_in_an_action_has_its_reason_beside_it() -> None:
    for line in TEXT.splitlines():
        if re.search(r"Action: .*\*", line) and "kms:*" not in line:  # a key's policy, of itself
            assert "#" in line, line


def test_no_role_may_everything() -> None:
    for name, statement in statements():
        for action in as_list(statement["Action"]):
            assert re.fullmatch(r"[a-z]+:[A-Z][A-Za-z]+\*?", action), (name, action)
        for resource in as_list(statement["Resource"]):
            assert resource != "*", name
            if isinstance(resource, dict) and "Fn::Sub" in resource:
                assert not resource["Fn::Sub"].startswith("*"), name


def test_credentials_of_accounts_are_written_by_the_api_alone() -> None:
    """C3: the others read them, and worker and sweep delete those of an account that is off."""
    writing = {"CreateSecret", "PutSecretValue", "UpdateSecret"}
    deleting = {"ApiRole", "SweepRole", "WorkerPolicy"}
    reading: dict[str, set[str]] = {}
    for name, statement in statements():
        for action in as_list(statement["Action"]):
            service, _, verb = action.partition(":")
            if service == "secretsmanager":
                reading.setdefault(name, set()).add(verb)
    assert {name for name, verbs in reading.items() if verbs & writing} == {"ApiRole"}
    assert {name for name, verbs in reading.items() if "DeleteSecret" in verbs} == deleting
    assert set(reading) == {*deleting, "FeedRole", "CatalogueRole"}


def test_the_pattern_of_accounts_secrets_leaves_the_consent_key_out() -> None:
    """Names of accounts' secrets are {stack}/{account}/{epoch}; the key's has no slash."""
    assert "Name" not in RESOURCES["ConsentKey"]["Properties"]
    patterns = [
        resource["Fn::Sub"]
        for _, statement in statements()
        for resource in as_list(statement["Resource"])
        if isinstance(resource, dict) and ":secret:" in str(resource.get("Fn::Sub"))
    ]
    assert patterns
    assert all(one.endswith(":secret:${AWS::StackName}/*/*") for one in patterns)


GET, GET_MANY, QUERY = "GetItem", "BatchGetItem", "Query"
PUT, PUT_MANY, UPDATE, DELETE = "PutItem", "BatchWriteItem", "UpdateItem", "DeleteItem"
TABLE_ACTIONS: dict[str, dict[str, set[str]]] = {
    "ApiRole": {
        "SettingsTable": {GET, QUERY, PUT, DELETE},
        "UsersTable": {GET, GET_MANY, QUERY, PUT, UPDATE, DELETE},
        "GroupsTable": {GET, GET_MANY, QUERY, PUT, PUT_MANY, DELETE},
    },
    "WebhookRole": {"SettingsTable": {GET}, "GroupsTable": {GET, PUT}},
    "WorkerPolicy": {
        "SettingsTable": {GET, QUERY, PUT, DELETE},
        "UsersTable": {GET, GET_MANY, QUERY, PUT, PUT_MANY, UPDATE, DELETE},
        "GroupsTable": {GET, GET_MANY, QUERY, PUT, PUT_MANY, DELETE},
    },
    "FeedRole": {
        "SettingsTable": {GET, PUT},
        "UsersTable": {GET, GET_MANY, QUERY, PUT, PUT_MANY, DELETE},
        "GroupsTable": {GET, GET_MANY, QUERY, PUT_MANY, DELETE},
    },
    "SweepRole": {
        "SettingsTable": {GET, QUERY, PUT, DELETE},
        "UsersTable": {GET, GET_MANY, QUERY, PUT, PUT_MANY, UPDATE, DELETE},
        "GroupsTable": {GET, GET_MANY, QUERY, PUT, PUT_MANY, DELETE},
    },
    "CatalogueRole": {
        "SettingsTable": {GET, PUT},
        "UsersTable": {GET, PUT},
        "GroupsTable": {GET_MANY, QUERY, PUT, PUT_MANY, DELETE},
    },
}
"""What the use cases of each function do with the tables: Store.put_many writes batches, whatever
their size; nothing but records' tallies and holds is updated in place."""


def table_of(resource: Any) -> str | None:
    """The table that a statement's resource is, or is an index of."""
    found = re.search(r"(\w+Table)\.Arn", str(resource))
    return found[1] if found else None


def test_each_function_may_do_with_each_table_what_it_does() -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for name, statement in statements():
        for table in {table_of(one) for one in as_list(statement["Resource"])} - {None}:
            actions = {one.removeprefix("dynamodb:") for one in as_list(statement["Action"])}
            found.setdefault(name, {}).setdefault(str(table), set()).update(actions)
    assert found == TABLE_ACTIONS


def test_p7_workers_alone_publish_events_and_on_our_bus_alone() -> None:
    publishing = [
        (name, one["Resource"])
        for name, one in statements()
        if "events:PutEvents" in as_list(one["Action"])
    ]
    assert publishing == [("WorkerPolicy", {"Fn::GetAtt": "AutomationsBus.Arn"})]
    told = {name for name in FUNCTIONS if "EVENT_BUS_NAME" in variables(name)}
    assert told == {"LiveWorkerFunction", "BulkWorkerFunction"}


def test_p4_the_webhook_may_do_nothing_but_take_pushes() -> None:
    """Anybody may call it: no credentials, no people, no other lane."""
    allowed = {
        action
        for name, one in statements()
        if name == "WebhookRole"
        for action in as_list(one["Action"])
    }
    assert {one for one in allowed if not one.startswith(("logs:", "dynamodb:"))} == {
        "sqs:SendMessage*"
    }
    assert "UsersTable" not in TABLE_ACTIONS["WebhookRole"]
    told = FUNCTIONS["WebhookFunction"]["Environment"]["Variables"]
    assert set(told) == {"POWERTOOLS_SERVICE_NAME", "LIVE_QUEUE_URL"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_who_starts_executions_may_ask_whether_they_run(function: str) -> None:
    """`windows.go_on` starts the machine of a run, unless its execution still runs."""
    role = name_in(FUNCTIONS[function]["Role"])
    actions = {
        action for name, one in statements() if name == role for action in as_list(one["Action"])
    }
    assert ("states:StartExecution" in actions) is ("states:DescribeExecution" in actions)


# --- tables and queues ------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_kept_encrypted_and_recoverable(table: str) -> None:
    assert RESOURCES[table]["DeletionPolicy"] == "Retain"
    assert RESOURCES[table]["UpdateReplacePolicy"] == "Retain"
    properties = TABLES[table]
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert "TableName" not in properties
    forgotten = {"AttributeName": "expires_at", "Enabled": True}
    assert properties["TimeToLiveSpecification"] == forgotten  # E2


@pytest.mark.parametrize("table", TABLES)
def test_every_key_begins_with_the_account(table: str) -> None:
    """O5: no read of one account can meet another's data."""
    keys = [TABLES[table]["KeySchema"]]
    keys += [one["KeySchema"] for one in TABLES[table].get("GlobalSecondaryIndexes", [])]
    for key in keys:
        assert key[0] == {"AttributeName": "account_id", "KeyType": "HASH"}


def test_the_users_table_has_the_indexes_that_the_code_asks() -> None:
    """U7, ADR 14."""
    assert {
        one["IndexName"]: [(key["AttributeName"], key["KeyType"]) for key in one["KeySchema"]]
        for one in TABLES["UsersTable"]["GlobalSecondaryIndexes"]
    } == {
        name: [("account_id", "HASH"), (index.stream, "HASH"), (index.sort, "RANGE")]
        for name, index in INDEXES.items()
    }


@pytest.mark.parametrize("queue", [name for name in QUEUES if "DeadLetter" not in name])
def test_a_queue_has_dead_letters_that_outlive_it(queue: str) -> None:
    source = QUEUES[queue]
    letters = name_in(source["RedrivePolicy"]["deadLetterTargetArn"])
    assert letters == queue.replace("Queue", "DeadLetterQueue")
    assert source["RedrivePolicy"]["maxReceiveCount"] == 5
    kept = QUEUES[letters]["MessageRetentionPeriod"]
    assert kept == 14 * 24 * 3600
    assert kept > source["MessageRetentionPeriod"] >= 4 * 24 * 3600


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_is_encrypted(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("letters", [name for name in QUEUES if "DeadLetter" in name])
def test_dead_letters_raise_an_alarm(letters: str) -> None:
    watched = [
        name_in(one["Dimensions"][0]["Value"])
        for one in of_type("AWS::CloudWatch::Alarm").values()
        if one["MetricName"] == "ApproximateNumberOfMessagesVisible"
    ]
    assert letters in watched


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_message_stays_hidden_six_times_as_long_as_its_worker_may_take(mapping: str) -> None:
    properties = MAPPINGS[mapping]
    function = name_in(properties["FunctionName"])
    queue = name_in(properties["EventSourceArn"])
    timeout_seconds = FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"])
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * timeout_seconds
    assert properties["BatchSize"] == 1
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumConcurrency" in properties["ScalingConfig"]
    assert variables(function)["WORKER_SECONDS"] == str(timeout_seconds)


# --- API and outputs --------------------------------------------------------------------------


WEBHOOK = "ANY /webhooks/actionkit/{account_id}/{token}"


def test_only_what_shows_nothing_of_an_account_is_open() -> None:
    routes = of_type("AWS::ApiGatewayV2::Route").values()
    open_routes = {one["RouteKey"] for one in routes if one.get("AuthorizationType") != "JWT"}
    files = {"GET /", "GET /config.json", "GET /assets/{file}"}
    assert open_routes == {"GET /health", "GET /openapi.json", WEBHOOK, *files}


def test_what_serves_the_console_may_do_nothing_else() -> None:
    allowed = [one["Action"] for name, one in statements() if name == "ConsoleRole"]
    assert allowed == [["logs:CreateLogStream", "logs:PutLogEvents"]]


def test_the_console_is_built_by_sam() -> None:
    """In the project's folder: console/ lies beside the function's own, which is all that sam
    would copy."""
    metadata = RESOURCES["ConsoleFunction"]["Metadata"]
    assert metadata == {"BuildMethod": "makefile", "WorkingDirectory": "."}
    makefile = (ROOT / FUNCTIONS["ConsoleFunction"]["CodeUri"] / "Makefile").read_text()
    assert re.search(r"^build-ConsoleFunction:", makefile, re.MULTILINE)


def test_the_user_pool_lets_the_console_sign_in_and_come_back() -> None:
    client = RESOURCES["UserPoolClient"]["Properties"]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["GenerateSecret"] is False
    assert client["CallbackURLs"] == client["LogoutURLs"]
    assert client["CallbackURLs"] == [TEMPLATE["Outputs"]["ConsoleUrl"]["Value"]]
    domain = RESOURCES["UserPoolDomain"]
    assert domain["Condition"] == "OwnSignIn"
    assert "AWS::StackName" not in str(domain)  # it may have capital letters


def test_p4_pushes_have_a_function_and_a_limit_of_their_own() -> None:
    (route,) = [
        one for one in of_type("AWS::ApiGatewayV2::Route").values() if one["RouteKey"] == WEBHOOK
    ]
    target = re.findall(r"\$\{(\w+)\}", route["Target"]["Fn::Sub"])
    integration = RESOURCES[target[0]]["Properties"]
    assert name_in(integration["IntegrationUri"]) == "WebhookFunction"
    assert integration["PayloadFormatVersion"] == "2.0"
    permission = RESOURCES["WebhookPermission"]["Properties"]
    assert name_in(permission["FunctionName"]) == "WebhookFunction"
    assert permission["SourceArn"]["Fn::Sub"].endswith("${Api}/*/*/webhooks/actionkit/*")
    stage = RESOURCES["ApiStage"]
    assert set(stage["Properties"]["RouteSettings"]) == {WEBHOOK}
    assert stage["DependsOn"] == "WebhookRoute"


def test_p4_pushes_that_find_no_room_raise_an_alarm() -> None:
    watched = [
        name_in(one["Dimensions"][0]["Value"])
        for one in of_type("AWS::CloudWatch::Alarm").values()
        if (one["Namespace"], one["MetricName"]) == ("AWS/Lambda", "Throttles")
    ]
    assert watched == ["WebhookFunction"]


def test_access_logs_carry_no_path_and_no_query() -> None:
    """C3: people search by phone number, and a webhook's path is its secret."""
    told = RESOURCES["ApiStage"]["Properties"]["AccessLogSettings"]["Format"]
    assert set(re.findall(r"\$context\.([A-Za-z.]+)", told)) == {
        "requestTime",
        "requestId",
        "routeKey",
        "status",
        "responseLatency",
        "error.message",
        "authorizer.error",
    }


def test_the_outputs_of_the_contract_are_there() -> None:
    assert set(TEMPLATE["Outputs"]) >= {
        "ApiUrl",
        "ConsoleUrl",
        "InitialSyncStateMachineArn",
        "ScheduledSyncStateMachineArn",
        "LiveQueueUrl",
        "BulkQueueUrl",
        "LiveDeadLetterQueueUrl",
        "BulkDeadLetterQueueUrl",
        "EventBusName",
    }


def test_the_order_of_the_template() -> None:
    assert list(TEMPLATE)[3:] == ["Parameters", "Conditions", "Globals", "Resources", "Outputs"]
    banners = re.findall(r"# =+ ([A-Z-]+)$", TEXT, re.MULTILINE)
    expected = ["TABLES", "QUEUES", "FUNCTIONS", "WORKFLOWS", "API", "SIGN-IN", "OPERATING"]
    assert banners == expected


def test_every_parameter_is_used() -> None:
    for name in TEMPLATE["Parameters"]:
        assert len(re.findall(rf"\b{name}\b", TEXT)) > 1, name
