import assert from "node:assert/strict";
import { test } from "node:test";

import { claimsOf, rolesOf } from "./roles.ts";

const WANTED = [
  ["demo", "editor"],
  ["demo-2", "viewer"],
];

for (const claim of [
  ["demo-2:viewer", "demo:editor"],
  "[demo:editor demo-2:viewer]",
  '["demo:editor", "demo-2:viewer"]',
  "demo:editor,demo-2:viewer",
  "demo:viewer demo:editor demo:viewer demo-2:viewer Not:editor demo-3:owner x:editor:more",
]) {
  test(`roles of ${JSON.stringify(claim)}`, () => {
    assert.deepEqual([...rolesOf(claim)], WANTED);
  });
}

test("no roles of what is no list", () => {
  for (const claim of [undefined, null, 5, {}, "", "demo", ":editor", "-a:editor"]) {
    assert.equal(rolesOf(claim).size, 0);
  }
});

test("claims of a token, with letters of every kind", () => {
  const body = Buffer.from('{"email":"zoë@example.org"}').toString("base64url");
  assert.deepEqual(claimsOf(`head.${body}.sign`), { email: "zoë@example.org" });
  assert.deepEqual(claimsOf("opaque"), {});
  assert.deepEqual(claimsOf("a.!.b"), {});
});
