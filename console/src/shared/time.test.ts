import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, relative } from "./time.ts";

const NOW = Date.parse("2026-05-04T12:00:00Z");

test("relative times", () => {
  const wanted = {
    "2026-05-04T11:59:55Z": "just now",
    "2026-05-04T11:59:30Z": "30 seconds ago",
    "2026-05-04T11:55:00Z": "5 minutes ago",
    "2026-05-04T14:00:00Z": "in 2 hours",
    "2026-05-03T12:00:00Z": "yesterday",
    "2026-04-20T12:00:00Z": "2 weeks ago",
    "2025-05-01T12:00:00Z": "last year",
  };
  for (const [at, words] of Object.entries(wanted)) assert.equal(relative(at, NOW), words);
});

test("durations", () => {
  assert.equal(duration("2026-05-04T12:00:00Z", "2026-05-04T13:05:09Z"), "1 hour 5 minutes");
  assert.equal(duration("2026-05-04T12:00:00Z", "2026-05-04T12:00:01Z"), "1 second");
  assert.equal(duration("2026-05-04T12:00:00Z", "2026-05-04T12:00:00Z"), "less than a second");
});
