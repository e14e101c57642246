// Stories of one call: how it opens, what it shows, what it never shows.
import assert from "node:assert/strict";
import { CONGRATULATIONS, FIVE, STATES, UNFORTUNATELY, call } from "./calls.mjs";
import { accessible, focused, sees, show } from "./check.mjs";

export function callTests(mock, enter, shot, asked, until) {
  const modal = (id) => `dialog[data-check="${id}"]`;
  return [
    [
      "b17_the_screen_pop_opens_when_a_call_arrives",
      async (page) => {
        await enter(page);
        await sees(page, ".nothing", "No calls at the moment");
        await accessible(page);
        await shot(page, "empty");
        mock.set(
          call("new", { authentication: "partially_verified", badge: "partially verified", class: "verified_number" }),
        );
        await sees(page, ".badge-text", "partially verified");
        await sees(page, ".origin", "Number we know");
        await until(
          async () => /partially verified/.test(await page.locator("#polite").textContent()),
          "the pop is announced",
        );
      },
    ],
    [
      "b17_the_screen_pop_opens_when_a_call_becomes_mine",
      async (page) => {
        mock.set(
          call("busy", { agent: "alice", authentication: "authenticated", badge: "Authenticated", actions: [] }),
        );
        mock.set(call("next"));
        await enter(page);
        await sees(page, "#call-title", "Caller");
        mock.set(call("next", { agent: "alice", version: 2, customer: { id: "c", name: "Customer Three" } }));
        await sees(page, "#call-title", "Customer Three");
      },
    ],
    [
      "b05_a_call_from_the_app_opens_no_modal_and_asks_for_nothing",
      async (page) => {
        await enter(page);
        mock.set(STATES.authenticated("app"));
        await sees(page, "#call-title", "Customer One");
        await sees(page, ".badge-text", "Authenticated");
        await page.waitForTimeout(300);
        assert.equal(await page.locator("dialog").count(), 0);
        assert.equal(await page.locator("button.primary").count(), 0);
      },
    ],
    [
      "b06_the_modal_opens_by_itself_for_a_known_number_that_is_not_the_app",
      async (page) => {
        await enter(page);
        mock.set(STATES.bofe_three("v"));
        await page.locator(modal("v")).waitFor();
        await sees(page, `${modal("v")} .badge-sub`, "A check is still owed");
        assert.equal(await page.locator(`${modal("v")} .question`).count(), 3);
        await focused(page, '[data-question="last_transaction_amount"]');
      },
    ],
    [
      "b21_the_modal_opens_by_itself_once_a_call_and_can_be_put_aside",
      async (page) => {
        mock.set(STATES.bofe_five("u"));
        await enter(page);
        await page.locator(modal("u")).waitFor();
        await page.keyboard.press("Escape");
        await page.locator(modal("u")).waitFor({ state: "detached" });
        mock.set(STATES.bofe_five("u", { version: 5, queue: "savings" }));
        await sees(page, ".facts", "savings");
        assert.equal(await page.locator("dialog").count(), 0, "a later frame does not bring it back");
        assert.equal(await page.locator(".call .question").count(), 5, "the check goes on on the page itself");
        await page.getByRole("button", { name: "Open the check in its own window" }).click();
        await page.locator(modal("u")).waitFor();
      },
    ],
    [
      "b21_the_modal_shows_the_result_and_waits_for_the_agent",
      async (page) => {
        mock.set(STATES.bofe_five("u"));
        await enter(page);
        await page.locator(modal("u")).waitFor();
        mock.set({ ...STATES.congratulated("u"), version: 2 });
        await sees(page, `${modal("u")} .message`, CONGRATULATIONS);
        await focused(page, '[data-fk="action:continue"]');
        await accessible(page);
        await shot(page, "passed-in-modal");
        await page.keyboard.press("Enter");
        await page.locator(modal("u")).waitFor({ state: "detached" });
        await sees(page, ".call .message", CONGRATULATIONS);
      },
    ],
    [
      "b21_a_modal_never_opens_over_a_form_or_over_typing",
      async (page) => {
        mock.set(STATES.ended("old"));
        await enter(page);
        await show(page, "old");
        await page.getByLabel("Note").pressSequentially("Calls ag");
        mock.set(STATES.bofe_three("v"));
        await sees(page, ".notice", "A call has come to you");
        assert.equal(await page.locator("dialog").count(), 0);
        await page.keyboard.type("ain");
        assert.equal(await page.getByLabel("Note").inputValue(), "Calls again");
      },
    ],
    [
      "the_modal_closes_when_the_caller_hangs_up_and_the_wrap_up_waits",
      async (page) => {
        mock.set(STATES.bofe_three("v"));
        await enter(page);
        await page.locator(modal("v")).waitFor();
        mock.set(
          STATES.bofe_three("v", {
            version: 2,
            ended_at: new Date().toISOString(),
            primary: null,
            actions: ["wrap_up"],
          }),
        );
        await page.locator(modal("v")).waitFor({ state: "detached" });
        await sees(page, "#wrap-title", "Wrap-up");
      },
    ],
    [
      "c23_caller_details_and_the_check_are_on_one_screen",
      async (page) => {
        mock.set(STATES.cmg_password("p"));
        await enter(page);
        await sees(page, `${modal("p")} #check-title`, "Customer Two");
        await sees(page, `${modal("p")} .chips`, "PIN digits not correct");
        await sees(page, `${modal("p")} .chips`, "The client");
      },
    ],
    [
      "claim_is_the_primary_step_of_an_unclaimed_call_and_enter_does_it",
      async (page) => {
        mock.set(call("new"));
        mock.answer = (request, row) =>
          request.type === "claim" ? { ...row, agent: "alice", actions: ["collect_pin", "release"] } : undefined;
        await enter(page);
        await sees(page, ".primary", "Take the call");
        await page.keyboard.press("Enter");
        await sees(page, ".primary", "Ask for PIN digits");
        assert.deepEqual(asked("claim"), [{ type: "claim", call: "new", id: 1 }]);
        assert.equal(await page.locator("button.primary").count(), 1);
        await focused(page, '[data-action="collect_pin"]');
      },
    ],
    [
      "c33_pin_progress_shows_positions_one_at_a_time_and_never_a_digit",
      async (page) => {
        const pin = (over) =>
          STATES.pin_running("p", {
            version: mock.seq + 1,
            pin: { positions: [3], entered: 0, needed: 2, attempt: 1, attempts_allowed: 2, result: null, ...over },
          });
        mock.set(pin({}));
        await enter(page);
        await sees(page, ".pin .progress", "Waiting for the third digit.");
        assert.equal(await page.locator(".slot.asked").count(), 1);
        mock.set(pin({ entered: 1 }));
        await sees(page, ".pin .progress", "Third digit received.");
        mock.set(pin({ positions: [3, 6], entered: 1 }));
        await sees(page, ".pin .progress", "Waiting for the sixth digit.");
        assert.deepEqual(
          await page
            .locator(".slot")
            .evaluateAll((slots) => slots.map(({ className }) => className.replace("slot ", ""))),
          ["idle", "idle", "entered", "idle", "idle", "asked", "idle"],
        );
        assert.ok(
          !/\d/.test(
            await page
              .locator(".hole")
              .allInnerTexts()
              .then((texts) => texts.join("")),
          ),
        );
        mock.set(pin({ positions: [3, 6], entered: 2 }));
        await sees(page, ".pin .progress", "Checking");
        await sees(page, ".step", "Wait: the caller is keying two PIN digits.");
      },
    ],
    [
      "c33_the_timer_of_the_capture_runs_down_and_the_capture_can_be_stopped",
      async (page) => {
        mock.set(
          STATES.pin_timer("p", { timer: { until: new Date(Date.now() + 9_000).toISOString(), what: "digit" } }),
        );
        await enter(page);
        await sees(page, ".timer", "left for this digit");
        const left = async () => Number.parseInt(await page.locator(".timer .left").innerText(), 10);
        const first = await left();
        assert.ok(first >= 1 && first <= 9, `${first} s left`);
        await until(async () => (await left()) < first, "the timer runs down");
        await page.getByRole("button", { name: "Stop the PIN check" }).click();
        await until(() => asked("cancel_pin").length === 1, "the capture is stopped");
      },
    ],
    [
      "c34_a_wrong_pin_is_asked_once_more_then_it_fails",
      async (page) => {
        const pin = { positions: [2, 6], entered: 2, needed: 2, attempt: 1, attempts_allowed: 2, result: null };
        mock.set(STATES.pin_running("p", { pin }));
        await enter(page);
        mock.set(STATES.pin_running("p", { version: 2, pin: { ...pin, positions: [2], entered: 0, attempt: 2 } }));
        await sees(page, ".pin .count", "Try 2 of 2");
        await sees(page, ".step", "the digits did not match");
        await shot(page, "pin-second-try");
        mock.set({ ...STATES.failed("p"), version: 3 });
        await sees(page, ".message.bad", UNFORTUNATELY);
        assert.equal(await page.locator(".message.bad").getAttribute("role"), "alert");
        await sees(page, ".chips", "PIN digits not correct");
      },
    ],
    [
      "x10_extra_fields_with_digits_never_reach_the_page",
      async (page) => {
        mock.set(
          STATES.pin_running("p", {
            pin: {
              positions: [3],
              entered: 1,
              needed: 2,
              attempt: 1,
              attempts_allowed: 2,
              result: null,
              digits: "83947",
              digit: "83947",
            },
          }),
        );
        await enter(page);
        await sees(page, ".pin .progress", "Third digit received.");
        assert.ok(!(await page.content()).includes("83947"));
      },
    ],
    [
      "b09_x11_an_answer_is_shown_one_question_at_a_time_after_the_caller_has_answered",
      async (page) => {
        const rows = STATES.bofe_three("q").questions.items;
        const with_ = (answers, marks) =>
          STATES.bofe_three("q", {
            questions: {
              ...STATES.bofe_three("q").questions,
              items: rows.map((item, at) => ({
                ...item,
                ...(answers[at] ? { answer: answers[at] } : {}),
                marked: marks[at] ?? null,
              })),
            },
          });
        mock.set(with_([], []));
        mock.answer = (request) => {
          if (request.type === "reveal") return with_(["£42.10"], []);
          if (request.type === "mark") return with_(["£42.10"], [true]);
          return undefined;
        };
        await enter(page);
        await focused(page, '[data-question="last_transaction_amount"]');
        assert.ok(!(await page.content()).includes("42.10"));
        await page.keyboard.press("s");
        await sees(page, ".answer", "£42.10");
        assert.equal(await page.locator(".answer").count(), 1);
        await accessible(page);
        await shot(page, "revealed");
        await page.keyboard.press("r");
        await focused(page, '[data-question="place_of_birth"]');
        assert.equal(await page.locator(".answer").count(), 0, "the look is over with its question");
        assert.deepEqual(
          asked("reveal").map(({ question }) => question),
          ["last_transaction_amount"],
        );
      },
    ],
    [
      "b10_questions_by_tab_and_space",
      async (page) => {
        mock.set(STATES.questions("q"));
        await enter(page);
        const right = page.getByRole("group", { name: "Question 2" }).getByRole("button", { name: "Right" });
        await right.focus();
        await page.keyboard.press("Space");
        await until(() => asked("mark").length === 1, "the mark is sent");
        assert.equal(asked("mark")[0].question, "last_transaction_amount");
      },
    ],
    [
      "b12_five_questions_stand_in_their_order_word_for_word",
      async (page) => {
        mock.set(STATES.bofe_five("q"));
        await enter(page);
        await sees(page, ".questions .count", "0 of 3 needed");
        assert.deepEqual(
          await page.locator(".question .ask").allInnerTexts(),
          FIVE.map(([, text]) => text),
        );
      },
    ],
    [
      "x11_blind_questions_and_the_password_send_what_was_said_and_keep_nothing",
      async (page) => {
        mock.set(STATES.blind("b"));
        await enter(page);
        await page.locator("#password-value").fill("swordfish");
        await page.keyboard.press("Enter");
        await until(() => asked("password").length === 1, "the password is sent");
        assert.equal(asked("password")[0].value, "swordfish");
        assert.equal(await page.locator("#password-value").inputValue(), "");
        assert.ok(!(await page.content()).includes("swordfish"));
        assert.equal(await page.locator(".mark-right").count(), 0);
        await page.locator("#answer-postcode").fill("AB1 2CD");
        await page.keyboard.press("Enter");
        await until(() => asked("answer").length === 1, "the answer is sent");
        assert.equal(await page.locator("#answer-postcode").inputValue(), "");
      },
    ],
    [
      "c26_c27_c28_c29_c30_c31_c32_what_must_never_be_said_is_folded_and_always_at_hand",
      async (page) => {
        for (const name of ["cmg_password", "cmg_questions", "compensated", "bofe_three", "outbound_waived"]) {
          mock.clear();
          mock.set(STATES[name]("n"));
          await page.goto("about:blank");
          await enter(page);
          await page.locator('[data-fold="never"]').waitFor();
          if (name !== "compensated") await page.locator(modal("n")).waitFor();
          assert.equal(await page.locator(".never li").first().isVisible(), false);
          await page.locator("#check-title, #call-title").last().focus();
          await page.keyboard.press("n");
          for (const text of [
            "date of birth",
            "National Insurance",
            "last four",
            "email",
            "current address",
            "appointees",
          ])
            await sees(page, ".never li", text);
        }
        await shot(page, "never-say");
      },
    ],
    [
      "only_allowed_actions_are_offered_and_one_is_primary",
      async (page) => {
        for (const make of Object.values(STATES)) {
          const row = make("one");
          mock.clear();
          mock.set(row);
          await page.goto("about:blank");
          await enter(page);
          await show(page, "one");
          await page.locator(".do").waitFor();
          const offered = await page
            .locator("[data-action]")
            .evaluateAll((nodes) => nodes.map((node) => node.dataset.action));
          for (const action of offered) assert.ok(row.actions.includes(action), `${row.id}: ${action} is offered`);
          assert.equal(new Set(offered).size, offered.length, `${offered}`);
          assert.ok((await page.locator("button.primary").count()) <= 1, `${row.primary} ${row.authentication}`);
        }
      },
      { limit: 240_000 },
    ],
  ];
}
