import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, match, placeOf } from "./router.ts";

test("an address leads to its place", () => {
  const place = placeOf(addressOf("demo-1", "/users/12", { q: "a b&c/d", status: "failed" }));
  assert.equal(place.account, "demo-1");
  assert.equal(place.path, "/users/12");
  assert.deepEqual(Object.fromEntries(place.query), { q: "a b&c/d", status: "failed" });
});

test("what is no address is the first page of no account", () => {
  for (const hash of ["", "#", "#/"]) {
    assert.deepEqual([placeOf(hash).account, placeOf(hash).path], ["", "/"]);
  }
  assert.deepEqual([placeOf("#/demo/").account, placeOf("#/demo/").path], ["demo", "/"]);
  assert.equal(placeOf("#/demo/%zz").path, "/%zz");
});

test("patterns", () => {
  assert.deepEqual(match("/users/:user_id", "/users/12"), { user_id: "12" });
  assert.equal(match("/users/:user_id", "/users"), null);
  assert.equal(match("/users", "/runs"), null);
  assert.deepEqual(match("/", "/"), {});
});
