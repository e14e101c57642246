// Stories of the desk around the check: list, forms, help, screens, and the line to the server.
import assert from "node:assert/strict";
import { STATES, call } from "./calls.mjs";
import { accessible, clean, fitsWidth, focused, sees, show } from "./check.mjs";

/** Lists, forms, keys, and every kind of screen. */
export function deskTests(mock, enter, shot, asked, until) {
  return [
    [
      "a_transfer_form_keeps_what_was_typed_when_refused_and_gives_the_focus_back",
      async (page) => {
        mock.set(STATES.authenticated("a"));
        mock.answer = (request) =>
          request.to === "nobody" ? { code: "not_now", message: "There is no such agent or queue." } : undefined;
        await enter(page);
        await page.getByRole("button", { name: "Transfer" }).click();
        await page.getByLabel("Agent, or queue:NAME").fill("nobody");
        await accessible(page);
        await shot(page, "dialog");
        await page.keyboard.press("Enter");
        await sees(page, "dialog .notice", "no such agent");
        assert.equal(await page.getByLabel("Agent, or queue:NAME").inputValue(), "nobody");
        await page.getByLabel("Agent, or queue:NAME").fill("savings");
        await page.keyboard.press("Enter");
        await page.locator("dialog").waitFor({ state: "detached" });
        assert.deepEqual(
          asked("transfer").map(({ to, warm }) => [to, warm]),
          [
            ["nobody", false],
            ["savings", false],
          ],
        );
        await until(
          () => page.evaluate(() => document.activeElement.dataset.action === "transfer"),
          "the focus is back on the button",
        );
      },
    ],
    [
      "a_transfer_takes_two_keys_and_never_one",
      async (page) => {
        mock.set(STATES.authenticated("a"));
        await enter(page);
        await sees(page, "#call-title", "Customer One");
        await page.keyboard.press("t");
        await focused(page, "#transfer-to");
        await page.keyboard.press("Enter");
        await page.waitForTimeout(150);
        assert.equal(asked("transfer").length, 0, "nobody was named yet");
        await page.keyboard.type("agent-1");
        await page.getByLabel("Hand it on in person").check();
        await shot(page, "transfer");
        await page.keyboard.press("Enter");
        await until(() => asked("transfer").length === 1, "the transfer is sent");
        assert.deepEqual(asked("transfer")[0], { type: "transfer", call: "a", to: "agent-1", warm: true, id: 1 });
      },
    ],
    [
      "c69_a_wrap_up_takes_two_keys_and_a_failed_call_closes_with_its_outcome",
      async (page) => {
        mock.set(STATES.failed("a"));
        await enter(page);
        await page.locator("dialog.check").waitFor();
        await page.locator("#check-title").focus();
        await page.keyboard.press("e");
        await focused(page, "#wrap_up-outcome");
        await page.waitForTimeout(150);
        assert.equal(asked("wrap_up").length, 0);
        await accessible(page);
        await page.keyboard.press("Enter");
        await until(() => asked("wrap_up").length === 1, "the wrap-up is sent");
        assert.equal(asked("wrap_up")[0].outcome, "Failed ID Security Check");
      },
    ],
    [
      "wrap_up_after_the_call",
      async (page) => {
        mock.set(STATES.ended("a"));
        await enter(page);
        await show(page, "a");
        await page.getByLabel("Outcome").selectOption("call_back");
        await page.getByLabel("Note").fill("Calls again on Monday.");
        await page.getByRole("button", { name: "Save and close" }).click();
        await until(() => asked("wrap_up").length === 1, "the wrap-up is sent");
        assert.deepEqual(asked("wrap_up")[0], {
          type: "wrap_up",
          call: "a",
          outcome: "call_back",
          note: "Calls again on Monday.",
          id: 1,
        });
        mock.gone("a");
        await sees(page, ".notice", "That call is closed.");
      },
    ],
    [
      "the_name_in_the_token_is_shown",
      async (page) => {
        mock.name = "Agent One";
        await enter(page);
        await sees(page, ".agent", "Agent One");
        await sees(page, ".agent", "(alice)");
      },
    ],
    [
      "help_opens_by_key_and_the_letters_can_be_switched_off",
      async (page) => {
        mock.set(call("a"));
        mock.set(call("b"));
        await enter(page);
        await page.locator('.row[data-call="b"]').waitFor();
        await page.keyboard.press("?");
        await sees(page, "dialog", "Single-key shortcuts");
        await accessible(page);
        await shot(page, "help");
        await page.getByLabel("Single-key shortcuts").uncheck();
        await page.keyboard.press("Escape");
        await page.locator("dialog").waitFor({ state: "detached" });
        const before = await page.locator(".row[aria-current]").getAttribute("data-call");
        await page.keyboard.press("j");
        await page.waitForTimeout(150);
        assert.equal(await page.locator(".row[aria-current]").getAttribute("data-call"), before);
      },
    ],
    [
      "two_hundred_calls_are_walked_by_keyboard",
      async (page) => {
        for (let index = 0; index < 200; index += 1)
          mock.set(
            call(`c${String(index).padStart(3, "0")}`, {
              started_at: new Date(Date.now() - (400 - index) * 1000).toISOString(),
              queue: index % 2 ? "savings" : "general",
              ani_display: `••••••${String(1000 + index)}`,
            }),
          );
        await enter(page);
        await until(async () => (await page.locator(".row").count()) === 200, "two hundred rows");
        for (let index = 0; index < 60; index += 1) await page.keyboard.press("j");
        await until(
          async () => (await page.locator(".row[aria-current]").getAttribute("data-call")) === "c060",
          "the sixtieth call is selected",
        );
        await until(
          () =>
            page.locator('.row[data-call="c060"]').evaluate((row) => {
              const { top, bottom } = row.getBoundingClientRect();
              return top >= 0 && bottom <= innerHeight;
            }),
          "the selected row is in sight",
        );
        await page.locator('.row[data-call="c060"]').focus();
        await page.keyboard.press("ArrowUp");
        await until(
          () => page.evaluate(() => document.activeElement.dataset.call === "c059"),
          "the focus follows in the list",
        );
        await accessible(page);
        await shot(page, "two-hundred");
      },
    ],
    [
      "a_flood_of_states_ends_with_the_newest_and_keeps_the_focus",
      async (page) => {
        mock.set(STATES.questions("q"));
        await enter(page);
        await page.locator('[data-question="last_transaction_amount"]').waitFor();
        await page.keyboard.press("2");
        for (let version = 2; version <= 600; version += 1)
          mock.set({ ...STATES.questions("q"), version, queue: `v${version}` });
        mock.tell({ type: "call", seq: mock.seq + 1, call: { ...STATES.questions("q"), version: 5, queue: "stale" } });
        await sees(page, ".facts", "v600");
        await page.waitForTimeout(100);
        assert.equal(await page.locator(".facts").getByText("stale").count(), 0);
        await until(
          () => page.evaluate(() => document.activeElement.dataset.question === "last_transaction_amount"),
          "the focus stays on the question",
        );
      },
    ],
    [
      "names_and_notes_are_text_never_markup",
      async (page) => {
        const nasty = "<img src=x onerror=alert(1)><b>bold</b>";
        mock.set(
          call("a", {
            agent: "alice",
            customer: { id: "c", name: nasty },
            notes: [nasty],
            queue: nasty,
            timeline: [{ at: "2026-11-01T10:00:00Z", what: nasty }],
            evidence: [{ kind: nasty, result: nasty, detail: nasty }],
          }),
        );
        await enter(page);
        assert.equal(await page.locator("#call-title").textContent(), nasty);
        assert.equal(await page.locator("#app img, #app b").count(), 0);
      },
    ],
    [
      "it_fits_a_narrow_frame",
      async (page) => {
        mock.set(STATES.questions("q", [true, null, false, null, null]));
        mock.set(call("w"));
        await enter(page);
        await sees(page, ".badge-text", "NOT Authenticated");
        await fitsWidth(page);
        await accessible(page);
        await clean(page);
        await shot(page, "narrow");
      },
      { viewport: { width: 360, height: 740 } },
    ],
    [
      "it_uses_a_wide_screen",
      async (page) => {
        mock.set(STATES.questions("q", [true, null, false, null, null]));
        await enter(page);
        await fitsWidth(page);
        await shot(page, "wide");
      },
      { viewport: { width: 1920, height: 1000 } },
    ],
    [
      "forced_colours_keep_shapes_and_words",
      async (page) => {
        mock.set(STATES.pin_running("p"));
        await enter(page);
        await sees(page, ".badge-text", "NOT Authenticated");
        assert.ok(await page.locator(".badge .icon").isVisible());
        await shot(page, "forced-colours");
      },
      { forcedColors: "active" },
    ],
    [
      "reduced_motion_stops_every_animation",
      async (page) => {
        mock.set(STATES.pin_running("p"));
        await enter(page);
        await sees(page, ".pin .progress", "Waiting");
        assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
      },
      { reducedMotion: "reduce" },
    ],
  ];
}

/** The line: lost, resumed, refused. */
export function linkTests(mock, enter, shot, asked, until) {
  return [
    [
      "a_lost_line_is_seen_and_comes_back_with_what_was_missed",
      async (page) => {
        mock.set(call("a", { agent: "alice" }));
        await enter(page);
        await sees(page, "#call-title", "Caller");
        mock.set(call("b"));
        await sees(page, '.row[data-call="b"]', "Caller");
        const { seq } = mock;
        mock.cut();
        mock.set(call("a", { agent: "alice", version: 2, customer: { id: "c", name: "Customer Three" } }));
        await sees(page, ".link", "Connected");
        await sees(page, "#call-title", "Customer Three");
        assert.deepEqual(mock.hellos.at(-1).resume, { epoch: mock.epoch, seq });
        assert.equal(await page.locator(".row").count(), 2);
      },
    ],
    [
      "a_new_epoch_brings_a_whole_snapshot",
      async (page) => {
        mock.set(call("old"));
        await enter(page);
        await sees(page, '.row[data-call="old"]', "Caller");
        mock.calls.clear();
        Object.assign(mock, { epoch: "after-restart", seq: 0 });
        mock.cut();
        mock.set(call("fresh"));
        await sees(page, '.row[data-call="fresh"]', "Caller");
        assert.equal(await page.locator('.row[data-call="old"]').count(), 0);
      },
    ],
    [
      "while_offline_the_page_says_so_and_sends_nothing",
      async (page) => {
        mock.set(call("a"));
        await enter(page);
        await sees(page, ".primary", "Take the call");
        mock.tell({ type: "bye", reason: "drain", retry_ms: 20_000 });
        mock.cut(1001);
        await sees(page, ".link", "Not connected");
        await sees(page, ".notice.bad", "may be out of date");
        assert.equal(await page.locator('[data-action="claim"]').getAttribute("aria-disabled"), "true");
        await page.keyboard.press("Enter");
        await accessible(page);
        await shot(page, "offline");
        assert.equal(asked("claim").length, 0);
        await page.getByRole("button", { name: "Try now" }).click();
        await sees(page, ".link", "Connected");
      },
    ],
    [
      "it_pings_every_heartbeat",
      async (page) => {
        mock.heartbeat_s = 1;
        await enter(page);
        await until(() => mock.pings >= 2, "two pings came");
      },
    ],
    [
      "a_refused_step_is_told_in_the_servers_words",
      async (page) => {
        mock.set(call("a"));
        mock.answer = () => ({ code: "not_now", message: "Another agent has just taken this call." });
        await enter(page);
        await page.getByRole("button", { name: "Take the call" }).click();
        await sees(page, ".notice.bad", "Another agent has just taken this call.");
      },
    ],
    [
      "a_call_that_goes_away_leaves_nothing_behind",
      async (page) => {
        mock.set(STATES.authenticated("a"));
        await enter(page);
        await sees(page, "#call-title", "Customer One");
        mock.gone("a");
        await sees(page, ".notice", "no longer on this desktop");
        await until(async () => !(await page.locator("#app").innerHTML()).includes("Customer One"), "the name is gone");
      },
    ],
    [
      "a_host_page_can_renew_the_token_through_the_fragment",
      async (page) => {
        await enter(page);
        await page.evaluate(() => {
          location.hash = "token=better";
        });
        await until(() => asked("token").length === 1, "the token is renewed in band");
        assert.equal(asked("token")[0].token, "better");
        assert.equal(await page.evaluate(() => location.hash), "");
      },
    ],
  ];
}
