// The table of requirements must not be generous.
import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, page, resultsIn, rowsOf } from "./requirements.mjs";

const rows = new Map([
  ["C33", { rule: "one at a time", shown: "order" }],
  ["C34", { rule: "twice", shown: "once more" }],
]);

test("a name holds the rows it begins with and no others", () => {
  assert.deepEqual(rowsOf("c33_c34_two_of_them_and_c35"), ["C33", "C34"]);
  assert.deepEqual(rowsOf("c35_to_c37_x02_a_range"), ["C35", "C36", "C37", "X02"]);
  assert.deepEqual(rowsOf("live_b05_in_the_browser"), ["B05"]);
  assert.deepEqual(rowsOf("f5_2_no_row"), []);
});

test("lines of both kinds of run are read, and a failure outweighs a pass", () => {
  const text = [
    "test call::scripts::c33_a ... ok",
    "figure: 12 mstest it::c34_b ... ok",
    "test c33_c ... ignored, takes hours",
    "ok b05_page",
    "not ok b06_page",
    "test c33_a ... FAILED",
    "    test c33_not_a_result",
  ].join("\n");
  assert.deepEqual(
    [...resultsIn(text)],
    [
      ["c33_a", "failed"],
      ["c34_b", "passed"],
      ["c33_c", "ignored"],
      ["b05_page", "passed"],
      ["b06_page", "failed"],
    ],
  );
});

test("a row without a test that passed, a failed one and an unknown one are told", () => {
  const results = new Map([
    ["c33_fails", "failed"],
    ["c34_waits", "ignored"],
    ["c99_unknown", "passed"],
    ["d08_elsewhere", "passed"],
  ]);
  assert.deepEqual(judge(rows, results).wrong, [
    "C33: c33_fails failed",
    "c99_unknown: there is no row C99",
    "C33: no test holds it",
    "C34: no test holds it",
  ]);
  assert.equal(judge(rows, new Map(), { partial: true }).wrong.length, 0);
});

test("the page says the same whatever the order of the lines", () => {
  const results = [
    ["c33_b", "passed"],
    ["c33_a", "passed"],
    ["c34_a", "passed"],
  ];
  const pages = [results, results.toReversed()].map((lines) => page(rows, judge(rows, new Map(lines)).held, new Map()));
  assert.equal(pages[0], pages[1]);
  assert.match(pages[0], /^2 of 2 rows are held, by 3 tests/m);
});
