import assert from "node:assert/strict";
import { test } from "node:test";

import { Problem } from "./problem.ts";

test("every problem is of a kind", () => {
  const kinds = [
    [new Problem(401, "unknown", ""), "signed_out"],
    [new Problem(403, "forbidden", ""), "forbidden"],
    [new Problem(404, "no_account", ""), "not_connected"],
    [new Problem(409, "not_connected", ""), "not_connected"],
    [new Problem(404, "no_user", ""), "refused"],
    [new Problem(503, "strive_unreachable", ""), "refused"],
    [new Problem(503, "unknown", ""), "unreachable"],
    [new Problem(0, "unreachable", ""), "unreachable"],
    [new Problem(500, "internal_error", ""), "fault"],
  ] as const;
  for (const [problem, kind] of kinds) assert.equal(problem.kind, kind);
});

test("a problem names the fields concerned", () => {
  const problem = new Problem(422, "invalid_value", "", [{ field: "value", message: "No." }]);
  assert.equal(problem.of("value"), "No.");
  assert.equal(problem.of("other"), undefined);
});
