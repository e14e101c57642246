// The supervisor's board, against a scripted server.
import assert from "node:assert/strict";
import { call } from "./calls.mjs";
import { accessible, clean, fitsWidth, sees } from "./check.mjs";
import { AUDIT, FAILED, LADDER, MORNING, at, figures } from "./supervisor-mock.mjs";

const SCHEMES = [
  ["light", {}],
  ["dark", { colorScheme: "dark" }],
];
const ALARM = {
  kind: "failure_rate",
  since: at(75),
  detail: "61 of the last 100 checks failed, three times the usual share. Look for one number or prefix that tries many accounts.",
};

/** @returns {[string, (page: import("playwright-core").Page) => Promise<void>, object?][]} */
export function supervisorTests(mock, shots) {
  const enter = async (page, token = "chief") => {
    await page.goto(`${mock.url}/supervisor#token=${token}`);
    await sees(page, ".link", "Connected");
    // Every figure comes from the first answer of /v1/stats.
    await sees(page, ".figure-live .sub", "desktops");
  };
  const shot = (page, name) => page.screenshot({ path: `${shots}supervisor-${name}.png`, fullPage: true });
  const until = async (test, what) => {
    for (let tries = 0; tries < 600; tries += 1) {
      if (await test()) return;
      await new Promise((later) => {
        setTimeout(later, 25);
      });
    }
    throw new Error(`never: ${what}`);
  };
  const tools = { mock, enter, shot, until };
  return [...boardTests(tools), ...doorTests(tools), ...callTests(tools)];
}

/** One story in both schemes. Names are written out, so that they can be found in the sources. */
function inBoth(...names) {
  return SCHEMES.map(([scheme, options], index) => [names[index], scheme, options]);
}

function boardTests({ mock, enter, shot, until }) {
  const count = (page, kind, value) =>
    page.locator(`[data-fk="${kind}:${value}"]`).getAttribute("data-count", { timeout: 15_000 });
  return [
    ...inBoth("b03_supervisor_board_light", "b03_supervisor_board_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        for (const one of MORNING) mock.set(one);
        await enter(page);
        await until(async () => (await page.locator(".call-row").count()) === MORNING.length, "every call is listed");
        await accessible(page);
        await clean(page);
        await shot(page, `board-${scheme}`);
      },
      options,
    ]),
    [
      "b03_the_board_counts_calls_by_class_and_state_as_they_come_and_go",
      async (page) => {
        mock.set(MORNING[0]);
        await enter(page);
        await until(async () => (await count(page, "class", "app_authenticated")) === "1", "one call from the app");
        assert.equal(await count(page, "class", "unverified"), "0");
        mock.set(call("01U", { class: "unverified", authentication: "failed" }));
        await until(async () => (await count(page, "authentication", "failed")) === "1", "a failed call");
        mock.gone("01U");
        await until(async () => (await count(page, "authentication", "failed")) === "0", "the failed call is gone");
        mock.set({ ...MORNING[0], version: 2, ended_at: at(0) });
        await until(async () => (await count(page, "class", "app_authenticated")) === "0", "an ended call is no live call");
      },
    ],
    [
      "b03_a_class_narrows_the_list_by_keyboard_alone",
      async (page) => {
        for (const one of MORNING) mock.set(one);
        await enter(page);
        await until(async () => (await page.locator(".call-row").count()) === MORNING.length, "every call is listed");
        await page.locator('[data-fk="class:app_authenticated"]').focus();
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        await sees(page, ".filter", "Number we know");
        await until(async () => (await page.locator(".call-row").count()) === 3, "only calls from numbers we know");
        await page.keyboard.press("Enter");
        await until(async () => (await page.locator(".call-row").count()) === MORNING.length, "all calls again");
      },
    ],
    [
      "supervisor_figures_are_read_again_and_again",
      async (page) => {
        await enter(page);
        await sees(page, ".figure-lockouts", "3");
        await sees(page, ".figure-failure", "15 %");
        mock.figures = figures({ lockouts: 4 });
        await sees(page, ".figure-lockouts", "4");
        mock.rest.set("/v1/stats", 503);
        await sees(page, ".figures .notice", "could not be read");
        await accessible(page);
        mock.rest.delete("/v1/stats");
        await until(async () => (await page.locator(".figures .notice").count()) === 0, "the figures are back");
      },
      { complains: /503/ },
    ],
    ...inBoth("c70_supervisor_alarm_and_lockouts_light", "c70_supervisor_alarm_and_lockouts_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        for (const one of MORNING) mock.set(one);
        const hour = figures().last_hour.map((minute, index) => (index < 56 ? minute : { ...minute, passed: 2, failed: 14, lockouts: 3 }));
        await enter(page);
        assert.equal(await page.locator(".alarm").count(), 0);
        mock.figures = figures({ alarms: [ALARM], lockouts: 12, last_hour: hour });
        await sees(page, '[role="alert"] .alarm', "Many checks fail");
        await until(async () => (await page.title()).startsWith("(1!)"), "the tab says so too");
        await accessible(page);
        await clean(page);
        await shot(page, `alarm-${scheme}`);
        mock.figures = figures();
        await until(async () => (await page.locator(".alarm").count()) === 0, "the alarm is over");
      },
      options,
    ]),
    ...inBoth("d06_the_board_says_which_call_may_be_out_of_date_light", "d06_the_board_says_which_call_may_be_out_of_date_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        for (const one of MORNING) mock.set(one);
        mock.set({ ...MORNING[2], stale: true });
        await enter(page);
        await sees(page, '.call-row[data-call="01KNOWN"] .chip.old', "May be out of date");
        assert.equal(await page.locator(".chip.old").count(), 1, "only that one");
        await accessible(page);
        await clean(page);
        await shot(page, `stale-board-${scheme}`);
        mock.set(MORNING[2]);
        await until(async () => (await page.locator(".chip.old").count()) === 0, "it has come back by itself");
      },
      options,
    ]),
    [
      "d06_a_stale_call_fits_a_narrow_board_and_forced_colours",
      async (page) => {
        for (const one of MORNING) mock.set({ ...one, stale: true });
        await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
        await enter(page);
        await until(async () => (await page.locator(".chip.old").count()) === MORNING.length, "every row says it");
        await fitsWidth(page);
        await accessible(page);
        await shot(page, "stale-narrow");
      },
      { viewport: { width: 400, height: 860 } },
    ],
    [
      "supervisor_thousands_of_calls_do_not_stop_the_board",
      async (page) => {
        for (let index = 0; index < 3000; index += 1)
          mock.calls.set(`c${index}`, call(`c${index}`, { queue: `q${index % 40}`, authentication: index % 3 === 0 ? "failed" : "in_progress" }));
        await enter(page);
        await until(async () => (await count(page, "authentication", "failed")) === "1000", "all are counted");
        assert.equal(await page.locator(".call-row").count(), 200);
        await sees(page, ".calls", "2800 more are not shown");
      },
    ],
    [
      "supervisor_board_fits_a_narrow_window_and_forced_colours",
      async (page) => {
        for (const one of MORNING) mock.set(one);
        await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
        await enter(page);
        await until(async () => (await page.locator(".call-row").count()) === MORNING.length, "every call is listed");
        await fitsWidth(page);
        await shot(page, "board-narrow");
      },
      { viewport: { width: 400, height: 860 } },
    ],
  ];
}

function doorTests({ mock, enter, until }) {
  return [
    [
      "supervisor_signs_in_with_a_pasted_token_and_out_again",
      async (page) => {
        mock.set(MORNING[0]);
        await page.goto(`${mock.url}/supervisor`);
        await sees(page, "h1", "Sign in to the supervisor board");
        await accessible(page);
        await clean(page);
        await page.getByLabel("Access token").fill("chief");
        await page.keyboard.press("Enter");
        await sees(page, ".open", "Customer One");
        await page.reload();
        await sees(page, ".open", "Customer One");
        await page.getByRole("button", { name: "Sign out" }).click();
        await sees(page, "h1", "Sign in");
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
        assert.ok(!(await page.content()).includes("Customer One"));
      },
    ],
    [
      "supervisor_board_refuses_an_agents_token_with_words",
      async (page) => {
        await page.goto(`${mock.url}/supervisor#token=agent`);
        await sees(page, ".notice.bad", "needs a supervisor's token");
        assert.equal(page.url(), `${mock.url}/supervisor`);
      },
      { complains: /401/ },
    ],
    [
      "supervisor_board_comes_back_by_itself_when_the_line_is_cut",
      async (page) => {
        mock.set(MORNING[0]);
        await enter(page);
        mock.cut();
        await until(async () => mock.desks.size === 1, "the board is back");
        await sees(page, ".link", "Connected");
      },
    ],
  ];
}

function callTests({ mock, enter, shot, until }) {
  const open = async (page) => {
    mock.set(FAILED);
    await enter(page);
    await page.locator(`[data-fk="call:${FAILED.id}"]`).click();
    await sees(page, ".ladder-picture", "handing over");
  };
  return [
    ...inBoth("c23_supervisor_call_page_with_its_ladder_light", "c23_supervisor_call_page_with_its_ladder_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        await open(page);
        await sees(page, ".badge-sub", "Check failed");
        await until(async () => (await page.locator(".arrow").count()) === LADDER.events.length, "every arrow is drawn");
        await sees(page, ".audit", "Attempt settled");
        await accessible(page);
        await clean(page);
        await shot(page, `call-${scheme}`);
      },
      options,
    ]),
    [
      "c23_the_ladder_can_be_read_without_seeing_it",
      async (page) => {
        await open(page);
        const picture = page.getByRole("img", { name: "Who sent what to whom on this call" });
        await picture.waitFor();
        assert.equal(await page.evaluate(() => document.querySelector("#ladder-title").namespaceURI), "http://www.w3.org/2000/svg");
        await page.locator('[data-fk="ladder-table"]').focus();
        await page.keyboard.press("Enter");
        const rows = page.locator(".ladder table tbody tr");
        await until(async () => (await rows.count()) === LADDER.events.length, "a row for each arrow");
        assert.match(await rows.nth(5).innerText(), /Caller\s+Countersign\s+customer number keyed/);
        await accessible(page);
      },
    ],
    [
      "c23_the_ladder_scrolls_by_keyboard",
      async (page) => {
        await open(page);
        const box = page.locator(".ladder-scroll");
        await box.focus({ preventScroll: true });
        for (let presses = 0; presses < 5; presses += 1) await page.keyboard.press("PageDown");
        await until(() => box.evaluate((node) => node.scrollTop > 100), "the ladder moves");
      },
    ],
    [
      "c52_no_text_of_a_call_becomes_markup_on_the_board",
      async (page) => {
        const evil = '<img src="/x" onerror="alert(1)">';
        mock.set({ ...FAILED, customer: { ...FAILED.customer, name: evil }, timeline: [{ at: at(1), who: "agent", what: evil }] });
        mock.rest.set(`/v1/calls/${FAILED.id}/ladder`, { ...LADDER, events: [{ ...LADDER.events[0], what: evil }] });
        mock.rest.set("/v1/audit", { ...AUDIT, lines: [{ ...AUDIT.lines[0], what: evil }] });
        await enter(page);
        await page.locator(`[data-fk="call:${FAILED.id}"]`).click();
        await sees(page, "#call-title", "<img");
        await sees(page, ".audit", "<img");
        assert.equal(await page.locator("img").count(), 0);
      },
    ],
    [
      "supervisor_evaluates_a_call_again_and_sees_that_it_is_the_same",
      async (page) => {
        await open(page);
        await page.locator('[data-fk="replay"]').focus();
        await page.keyboard.press("Enter");
        await sees(page, ".verdict .good", "It comes out the same");
        await sees(page, ".decisions table", "password: wrong");
        await accessible(page);
        await shot(page, "replay");
        mock.rest.set(`/v1/calls/${FAILED.id}/replay`, {
          same: false,
          profile: "cmg",
          hash: "aa",
          steps: [{ state: "pin wrong", row: 4, next: "password", again: "failed" }],
          differences: ["step 1: password then, failed now"],
        });
        await page.keyboard.press("Enter");
        await sees(page, ".verdict .bad", "It does not come out the same");
        await sees(page, ".verdict li", "failed now");
      },
    ],
    [
      "supervisor_walks_to_a_call_and_back_by_keyboard_alone",
      async (page) => {
        mock.set(MORNING[4]);
        mock.set(FAILED);
        await enter(page);
        await sees(page, ".open", "Customer One");
        await page.locator(".open").first().focus();
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        await until(() => page.evaluate(() => document.activeElement?.id === "call-title"), "the call's name has the focus");
        await page.keyboard.press("Escape");
        await until(() => page.evaluate(() => document.activeElement?.classList.contains("open")), "the row has the focus again");
      },
    ],
    [
      "supervisor_keeps_an_open_call_that_ends_and_finds_past_ones",
      async (page) => {
        await open(page);
        mock.rest.set(`/v1/calls/${FAILED.id}`, { ...FAILED, version: 9, ended_at: at(0) });
        mock.gone(FAILED.id);
        await sees(page, ".call-id", "this call is over");
        await page.keyboard.press("Escape");
        await page.getByLabel("Call id").fill("nothing");
        await page.keyboard.press("Enter");
        await sees(page, ".notice.info", "no call with this id");
        await page.getByLabel("Call id").fill(FAILED.id);
        await page.keyboard.press("Enter");
        await sees(page, "#call-title", "Customer One");
      },
      { complains: /404/ },
    ],
    [
      "d06_an_open_call_says_that_it_may_be_out_of_date_and_comes_back_by_itself",
      async (page) => {
        await open(page);
        await page.locator("#call-title").focus();
        mock.set({ ...FAILED, stale: true });
        await sees(page, '.call-page .notice[role="status"]', "This may be out of date");
        assert.ok(await page.evaluate(() => document.activeElement?.id === "call-title"), "the focus stays");
        await accessible(page);
        await clean(page);
        await shot(page, "stale-call");
        // Another node takes it over, and begins with the state before.
        mock.set({ ...FAILED, version: 0, queue: "savings" });
        await until(async () => (await page.locator(".call-page .notice").count()) === 0, "the notice is gone");
        await sees(page, ".facts", "savings");
      },
    ],
    [
      "supervisor_is_told_when_a_ladder_cannot_be_read",
      async (page) => {
        mock.rest.set(`/v1/calls/${FAILED.id}/ladder`, 503);
        mock.set(FAILED);
        await enter(page);
        await page.locator(`[data-fk="call:${FAILED.id}"]`).click();
        await sees(page, ".call-page .notice.bad", "record store cannot be reached");
        await accessible(page);
      },
      { complains: /503/ },
    ],
  ];
}
