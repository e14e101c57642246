// The security check of each profile by keyboard alone, and the rows of the rules that an agent meets on the screen.
import assert from "node:assert/strict";
import { CONGRATULATIONS, FAILED_CMG, NEVER_FAILED, STATES, UNFORTUNATELY, call } from "./calls.mjs";
import { accessible, clean, focused, sees } from "./check.mjs";

const PIN = { positions: [], entered: 0, needed: 2, attempt: 1, attempts_allowed: 2, result: null };
const quiet = ["release", "transfer", "report_bogus"];

/** A right or wrong mark in a state, as the daemon would keep it. */
function marked(row, request, correct) {
  const items = row.questions.items.map((item) =>
    item.key === request.question ? { ...item, marked: correct } : item,
  );
  return {
    ...row,
    questions: { ...row.questions, items, correct: items.filter((item) => item.marked === true).length },
  };
}

/** Marks until enough are right, then only finishing is left. */
function ticking(row, request, enough) {
  const next = marked(row, request, request.correct);
  const done = enough(next.questions);
  return { ...next, primary: done ? "finish" : row.primary };
}

export function checkTests(mock, enter, shot, asked, until) {
  /** The whole check without a mouse: any use of it fails the story. */
  const byKeyboard = async (page) => {
    await enter(page);
    await page.evaluate(() => {
      for (const type of ["mousedown", "pointerdown"])
        document.addEventListener(type, () => {
          throw new Error("the mouse was used");
        });
    });
  };
  const press = (page, ...keys) =>
    keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  const types = () => mock.requests.map(({ type }) => type);

  /** Two digits of the PIN, keyed by the caller. */
  const keyed = async (page, id, base, result) => {
    const at = (pin, over = {}) =>
      mock.set({
        ...base,
        id,
        version: (mock.calls.get(id)?.call.version ?? 0) + 1,
        authentication: "in_progress",
        badge: "NOT Authenticated",
        primary: null,
        actions: ["cancel_pin", ...quiet],
        pin: { ...PIN, ...pin },
        ...over,
      });
    at({ positions: [3] });
    await sees(page, ".pin .progress", "Waiting for the third digit.");
    at({ positions: [3, 6], entered: 1 });
    await sees(page, ".pin .progress", "Waiting for the sixth digit.");
    at({ positions: [3, 6], entered: 2 });
    await sees(page, ".pin .progress", "Checking");
    return (next) =>
      mock.set({
        ...next,
        id,
        version: mock.calls.get(id).call.version + 1,
        pin: { ...PIN, positions: [3, 6], entered: 2, result },
      });
  };

  const bofe = (name, make, counts) => [
    name,
    async (page) => {
      mock.set(make("q"));
      mock.answer = (request, row) => {
        if (request.type === "reveal")
          return {
            ...row,
            questions: {
              ...row.questions,
              items: row.questions.items.map((item) => ({
                ...item,
                answer: item.key === request.question ? "as on file" : undefined,
              })),
            },
          };
        if (request.type === "mark") return ticking(row, request, counts);
        if (request.type === "finish") return { ...STATES.congratulated("q"), policy: row.policy };
        return undefined;
      };
      await byKeyboard(page);
      await page.locator("dialog.check").waitFor();
      const keys = make("q").questions.items.map(({ key }) => key);
      let right = 0;
      for (const [index, key] of keys.entries()) {
        await focused(page, `[data-question="${key}"]`);
        await press(page, "s");
        await sees(page, ".answer", "as on file");
        // The second one is wrong, to see that the rest can still make up for it.
        await press(page, index === 1 ? "w" : "r");
        if (index !== 1) right += 1;
        await sees(page, ".questions .count", `${right} of`);
        if (mock.calls.get("q").call.primary === "finish") break;
      }
      await focused(page, '[data-action="finish"]');
      await shot(page, `${name.slice(0, 30)}-finish`);
      await press(page, "Enter");
      await sees(page, ".message.good", CONGRATULATIONS);
      await focused(page, '[data-fk="action:continue"]');
      await press(page, "Enter");
      await page.locator("dialog").waitFor({ state: "detached" });
      assert.equal(asked("finish").length, 1);
      assert.ok(asked("mark").every(({ question }) => keys.includes(question)));
    },
  ];

  const cmg = (name, required) => [
    name,
    async (page) => {
      const policy = name.includes("hardened") ? "cmg-hardened" : "cmg";
      const state = (make, over = {}) => make("c", { policy, ...over });
      mock.set(state(STATES.cmg_party));
      mock.answer = (request, row) => {
        switch (request.type) {
          case "set_party":
            return state(STATES.cmg_pin, {
              party: { role: request.role, set_by: "agent", client_present: null, permission: null },
            });
          case "password":
            return state(STATES.cmg_questions, { questions: { ...STATES.cmg_questions().questions, required } });
          case "answer": {
            const next = marked(row, request, true);
            return next.questions.correct < required
              ? next
              : { ...state(STATES.compensated), questions: next.questions };
          }
          case "acknowledge":
            return {
              ...row,
              reminder: null,
              primary: null,
              say: "What can I do for you?",
              actions: ["transfer", "wrap_up"],
            };
          default:
            return undefined;
        }
      };
      await byKeyboard(page);
      // Who speaks comes before everything (C11).
      await focused(page, '[name="role"][value="client"]');
      assert.equal(await page.locator('[data-action="collect_pin"]').count(), 0);
      await press(page, "Space", "Enter");
      await focused(page, '[data-action="collect_pin"]');
      await press(page, "Enter");
      await until(() => asked("collect_pin").length === 1, "the PIN is asked for");
      const then = await keyed(page, "c", state(STATES.cmg_pin), "incorrect");
      then(state(STATES.cmg_password));
      await focused(page, "#password-value");
      await page.keyboard.type("Blue Horse");
      await press(page, "Enter");
      await sees(page, ".chips", "Password correct");
      await focused(page, "#answer-payment_method");
      await page.keyboard.type("by bank transfer");
      await press(page, "Enter");
      if (required > 1) {
        await focused(page, "#answer-last_contact");
        await page.keyboard.type("a new address");
        await press(page, "Enter");
      }
      await sees(page, ".remind .say", "must both be right");
      await focused(page, '[data-action="acknowledge"]');
      await shot(page, `${policy}-reminder`);
      await press(page, "Enter");
      await focused(page, '[data-fk="action:continue"]');
      await press(page, "Enter");
      await page.locator("dialog").waitFor({ state: "detached" });
      assert.deepEqual(types(), [
        "set_party",
        "collect_pin",
        "password",
        ...Array(required).fill("answer"),
        "acknowledge",
      ]);
      const page_ = await page.content();
      for (const said of ["Blue Horse", "bank transfer", "a new address"]) assert.ok(!page_.includes(said), said);
    },
  ];

  return [
    [
      "c33_c34_retail_is_done_by_keyboard_alone",
      async (page) => {
        mock.set(STATES.retail_start("r"));
        mock.answer = (request, row) => {
          if (request.type === "mark") return ticking(row, request, ({ correct }) => correct >= 2);
          if (request.type === "finish") return STATES.congratulated("r");
          return undefined;
        };
        await byKeyboard(page);
        await focused(page, '[data-action="collect_pin"]');
        await press(page, "Enter");
        await until(() => asked("collect_pin").length === 1, "the PIN is asked for");
        const then = await keyed(page, "r", STATES.retail_start("r"), "incorrect");
        then(STATES.bofe_three("r", { policy: "retail", authentication: "in_progress", badge: "NOT Authenticated" }));
        for (const key of ["last_transaction_amount", "place_of_birth"]) {
          await focused(page, `[data-question="${key}"]`);
          await press(page, "r");
        }
        await focused(page, '[data-action="finish"]');
        await press(page, "Enter");
        await sees(page, ".message.good", CONGRATULATIONS);
        await press(page, "Enter");
        await page.locator("dialog").waitFor({ state: "detached" });
        assert.deepEqual(types(), ["collect_pin", "mark", "mark", "finish"]);
      },
    ],
    bofe("b07_b10_b13_bofe_three_questions_by_keyboard_alone", STATES.bofe_three, ({ correct }) => correct >= 2),
    bofe("b11_b12_bofe_five_questions_by_keyboard_alone", STATES.bofe_five, ({ correct }) => correct >= 3),
    bofe(
      "x15_x24_bofe_hardened_by_keyboard_alone_the_server_says_when_it_is_enough",
      (id) => STATES.bofe_five(id, { policy: "bofe-hardened" }),
      // Three right answers of one group do not count as three: the page must wait for the server's word.
      ({ items }) => items.filter((item) => item.marked === true).length >= 4,
    ),
    cmg("c11_c24_c41_cmg_is_done_by_keyboard_alone", 1),
    cmg("x24_cmg_hardened_is_done_by_keyboard_alone", 2),
    [
      "b11_five_questions_with_the_older_shape_by_keyboard_alone",
      async (page) => {
        const marks = [null, null, null, null, null];
        mock.set(STATES.questions("q", marks));
        mock.answer = (request, row) => {
          const index = row.questions.items.findIndex(({ key }) => key === request.question);
          if (request.type === "mark") {
            marks[index] = request.correct;
            return STATES.questions("q", marks);
          }
          if (request.type === "finish") return STATES.congratulated("q");
          return undefined;
        };
        await enter(page);
        await sees(page, ".questions .count", "0 of 3 needed");
        await page.keyboard.press("1");
        for (const [key, focus] of [
          ["r", "last_transaction_date"],
          ["w", "last_transaction_amount"],
          ["r", "place_of_birth"],
          ["r", "main_balance"],
        ]) {
          await focused(page, `[data-question="${focus}"]`);
          await page.keyboard.press(key);
        }
        await sees(page, ".step", "Enough right answers");
        await accessible(page);
        await shot(page, "questions-decided");
        await focused(page, '[data-action="finish"]');
        await page.keyboard.press("Enter");
        await sees(page, ".message.good", CONGRATULATIONS);
        assert.deepEqual(
          asked("mark").map(({ question, correct }) => [question, correct]),
          [
            ["last_transaction_date", true],
            ["last_transaction_amount", false],
            ["place_of_birth", true],
            ["main_balance", true],
          ],
        );
        assert.equal(asked("finish").length, 1);
      },
    ],
    [
      "c13_c14_who_speaks_beside_the_client_needs_the_client_there_and_a_yes",
      async (page) => {
        mock.set(STATES.cmg_party("p"));
        await byKeyboard(page);
        await focused(page, '[name="role"][value="client"]');
        assert.equal(await page.getByText("Is the client with them?").count(), 0);
        await press(page, "ArrowUp");
        await sees(page, "legend", "Is the client with them?");
        await shot(page, "party-other");
        await press(page, "Tab", "Space");
        await sees(page, "legend", "Does the client allow them to speak?");
        await press(page, "Tab", "Space", "Enter");
        await until(() => asked("set_party").length === 1, "the party is sent");
        assert.deepEqual(asked("set_party")[0], {
          type: "set_party",
          call: "p",
          role: "other",
          client_present: true,
          permission: true,
          id: 1,
        });
      },
    ],
    [
      "c06_c13_a_representative_says_whose_number_it_is",
      async (page) => {
        mock.set(STATES.cmg_party("p"));
        await enter(page);
        await page.getByLabel("A representative").check();
        await page.getByLabel("Their own").check();
        assert.equal(await page.getByText("Is the client with them?").count(), 0);
        await page.getByLabel("The client's").check();
        await sees(page, "legend", "Is the client with them?");
        await page.getByLabel("No", { exact: true }).check();
        await sees(page, ".form", "explain data protection");
        await accessible(page);
        await page.getByLabel("Customer number they give").fill("100200300");
        await page.getByRole("button", { name: "Save who is speaking" }).click();
        await until(() => asked("set_party").length === 1, "the party is sent");
        assert.deepEqual(asked("set_party")[0], {
          type: "set_party",
          call: "p",
          role: "representative",
          customer_id: "100200300",
          client_present: false,
          id: 1,
        });
      },
    ],
    [
      "c16_a_third_party_is_asked_for_nothing",
      async (page) => {
        mock.set(STATES.third_party("t"));
        await enter(page);
        await sees(page, ".say", "I cannot ask you security questions");
        assert.equal(await page.locator("#password-value, .question, .pin").count(), 0);
        await page.locator('[data-action="transfer"]').waitFor();
      },
    ],
    [
      "c19_c20_transitional_questions_say_how_many_are_needed",
      async (page) => {
        mock.set(STATES.transitional("t"));
        await enter(page);
        await sees(page, ".questions h3", "Transitional questions");
        await sees(page, ".questions .count", "1 of 3 needed");
        await focused(page, "#answer-date_of_birth");
      },
    ],
    [
      "c21_an_enrolment_that_is_owed_is_on_the_screen",
      async (page) => {
        mock.set(STATES.cmg_password("e"));
        await enter(page);
        await page.locator("dialog.check").waitFor();
        mock.set({ ...STATES.enrolment("e"), version: 2 });
        await sees(page, "dialog .remind", "before the call is closed");
        await page.getByRole("button", { name: "Wrap up" }).click();
        await page.getByLabel("Outcome").selectOption("enrolment_deferred_call_back");
        assert.equal(await page.locator("#wrap_up-outcome option").count(), 3, "only with a reason");
        await page.getByRole("button", { name: "Save and close" }).click();
        await until(() => asked("wrap_up").length === 1, "the call is closed with the code");
      },
    ],
    [
      "c43_the_reminder_is_shown_once_and_acknowledged",
      async (page) => {
        mock.set(STATES.cmg_questions("c"));
        mock.answer = (request, row) =>
          request.type === "acknowledge"
            ? { ...row, reminder: null, primary: null, actions: ["transfer", "wrap_up"] }
            : undefined;
        await enter(page);
        await page.locator("dialog.check").waitFor();
        mock.set({ ...STATES.compensated("c"), version: 2 });
        await sees(page, "dialog .remind", "must both be right");
        await focused(page, '[data-action="acknowledge"]');
        await accessible(page);
        await page.keyboard.press("Enter");
        await page.locator(".remind").waitFor({ state: "detached" });
        assert.equal(asked("acknowledge").length, 1);
      },
    ],
    [
      "c47_a_failure_is_told_in_fixed_words_without_a_hint_which_answer_was_wrong",
      async (page) => {
        mock.set(STATES.failed("f", { message: FAILED_CMG }));
        await enter(page);
        await sees(page, ".message.bad", FAILED_CMG);
        assert.equal(await page.locator(".question, .mark-wrong, .mark-right").count(), 0);
        await page.locator("#check-title").focus();
        await page.keyboard.press("n");
        await sees(page, ".never li", "which answer was wrong");
      },
    ],
    [
      "b15_the_failure_is_shown_word_for_word",
      async (page) => {
        mock.set(STATES.bofe_five("q"));
        await enter(page);
        await page.locator("dialog.check").waitFor();
        mock.set({ ...STATES.failed("q"), version: 2 });
        await sees(page, ".message.bad", UNFORTUNATELY);
        assert.equal(await page.locator("dialog .message.bad span").innerText(), UNFORTUNATELY);
        await accessible(page);
        await shot(page, "failed-in-modal");
      },
    ],
    ...[
      ["yes", "c48_c49_a_call_back_is_offered_and_accepted"],
      ["no", "c48_c49_a_call_back_is_offered_and_refused"],
    ].map(([answer, name]) => [
      name,
      async (page) => {
        mock.set(STATES.failed("f"));
        mock.answer = (request, row) =>
          request.type === "offer_callback"
            ? {
                ...row,
                call_back: { offered: true, accepted: request.accepted, task: request.accepted ? "call_back" : null },
                primary: "wrap_up",
                actions: ["report_bogus", "wrap_up"],
              }
            : undefined;
        await byKeyboard(page);
        await focused(page, '[name="accepted"][value="yes"]');
        await page.keyboard.press("Enter");
        await page.waitForTimeout(150);
        assert.equal(asked("offer_callback").length, 0, "without a choice nothing is sent");
        await (answer === "yes" ? press(page, "Space", "Enter") : press(page, "ArrowDown", "Enter"));
        await until(() => asked("offer_callback").length === 1, "the answer is sent");
        assert.equal(asked("offer_callback")[0].accepted, answer === "yes");
        await focused(page, '[data-action="wrap_up"]');
      },
    ]),
    [
      "c50_c53_what_follows_an_accepted_call_back_is_said_in_words",
      async (page) => {
        for (const [task, words] of [
          ["call_back", "we will ring the number we hold"],
          ["case_owner", "caseworker who deals with the case"],
          ["trace", "tracing task (CIS and CRA)"],
        ]) {
          mock.clear();
          mock.set(
            STATES.failed("f", {
              call_back: { offered: true, accepted: true, task },
              primary: null,
              actions: ["wrap_up"],
            }),
          );
          await page.goto("about:blank");
          await enter(page);
          await sees(page, ".step", words);
        }
      },
    ],
    [
      "c51_when_the_check_is_not_available_it_counts_nothing_and_a_call_back_is_offered",
      async (page) => {
        mock.set(STATES.system_unavailable("s"));
        await enter(page);
        await sees(page, ".step", "this counts as nothing");
        await sees(page, ".badge-sub", "does not count as a failed try");
        await focused(page, '[name="accepted"]');
      },
    ],
    [
      "c52_after_a_failure_no_part_of_the_number_is_on_the_screen",
      async (page) => {
        mock.set(STATES.bofe_five("f", { ani_display: "••••••7788", customer: null }));
        await enter(page);
        await sees(page, "#check-title", "7788");
        mock.set({ ...STATES.failed("f"), ani_display: "••••••7788", customer: null, version: 2 });
        await sees(page, ".message.bad", UNFORTUNATELY);
        await sees(page, ".form", "Do not say or confirm any part of it");
        await until(async () => !(await page.locator("#app").innerText()).includes("7788"), "the number is gone");
        assert.ok(!(await page.title()).includes("7788"));
        await until(
          async () => !(await page.locator("body").textContent()).includes("7788"),
          "and is not read out either",
        );
        await page.locator("#check-title").focus();
        await page.keyboard.press("n");
        await sees(page, ".never li", NEVER_FAILED[0]);
      },
    ],
    [
      "c77_a_blocked_caller_is_not_helped_further",
      async (page) => {
        mock.set(STATES.blocked("b"));
        await enter(page);
        await sees(page, ".step", "Telephone service on it is blocked");
        assert.equal(await page.locator("button.primary, .question, #password-value, .pin").count(), 0);
      },
    ],
    [
      "c71_c72_unblocking_on_our_own_call_wants_a_reason",
      async (page) => {
        mock.set(STATES.unblock("b"));
        await enter(page);
        await sees(page, ".origin", "We are calling to unblock");
        await page.getByRole("button", { name: "Unblock", exact: true }).click();
        await page.getByLabel("Reason").fill("The client was rung and passed.");
        await accessible(page);
        await page.keyboard.press("Enter");
        await until(() => asked("unblock").length === 1, "the request is sent");
        assert.equal(asked("unblock")[0].reason, "The client was rung and passed.");
      },
    ],
    [
      "c44_x04_a_reset_is_owed_no_question_is_offered",
      async (page) => {
        mock.set(STATES.reset_required("r"));
        await enter(page);
        await sees(page, ".step", "Security details must be set anew");
        assert.equal(await page.locator(".question").count(), 0);
        await page.locator("#check-title").focus();
        await page.keyboard.press("m");
        await page.getByRole("button", { name: "Reset security details" }).click();
        await page.getByLabel("Reason").fill("Rung back.");
        await shot(page, "reset-form");
        await page.keyboard.press("Enter");
        await until(() => asked("reset_security").length === 1, "the request is sent");
      },
    ],
    [
      "c02_c79_a_bogus_call_is_reported_once_with_details",
      async (page) => {
        mock.set(STATES.bogus("b"));
        await enter(page);
        await focused(page, '[data-action="report_bogus"]');
        await page.keyboard.press("Enter");
        await page.getByLabel("What made the call suspicious").fill("Read answers from a list.");
        await accessible(page);
        await clean(page);
        await shot(page, "bogus-form");
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await until(() => asked("report_bogus").length === 1, "the report is sent");
        assert.equal(asked("report_bogus")[0].details, "Read answers from a list.");
        await page.locator("dialog.over").waitFor({ state: "detached" });
      },
    ],
    [
      "c82_the_call_goes_on_only_once_identity_and_role_are_known",
      async (page) => {
        mock.set(STATES.cmg_party("c"));
        await enter(page);
        await page.locator("dialog.check").waitFor();
        const proven = (over) => ({
          ...STATES.compensated("c"),
          reminder: null,
          party: { role: null, set_by: "agent", client_present: null, permission: null },
          primary: "set_party",
          actions: ["set_party", "transfer", "wrap_up"],
          ...over,
        });
        mock.set(proven({ version: 2 }));
        await sees(page, "dialog .badge-text", "Authenticated");
        await sees(page, "#party-title", "Who is speaking");
        assert.equal(await page.locator('[data-fk="action:continue"]').count(), 0);
        mock.set(
          proven({
            version: 3,
            party: { role: "client", set_by: "agent", client_present: null, permission: null },
            primary: null,
            actions: ["transfer", "wrap_up"],
          }),
        );
        await page.locator('[data-fk="action:continue"]').waitFor();
      },
    ],
    [
      "c08_an_employer_is_confirmed_by_two_ticks_and_asked_nothing",
      async (page) => {
        mock.set(STATES.employer("e"));
        mock.answer = (request, row) =>
          request.type === "mark" ? ticking(row, request, ({ correct }) => correct === 2) : undefined;
        await byKeyboard(page);
        await focused(page, '[data-fk="tick:organisation"]');
        await press(page, "Space");
        await focused(page, '[data-fk="tick:payroll"]');
        await press(page, "Space");
        await focused(page, '[data-action="finish"]');
        assert.equal(await page.locator('input[type="text"], input[type="password"]').count(), 0);
        await press(page, "Enter");
        await until(() => asked("finish").length === 1, "it goes on");
      },
    ],
    [
      "o01_an_outbound_call_proves_us_first_and_asks_nothing_before",
      async (page) => {
        mock.set(STATES.outbound("o"));
        mock.answer = (request) => (request.type === "prove" ? STATES.outbound_app("o") : undefined);
        await byKeyboard(page);
        await focused(page, '[name="method"][value="app"]');
        assert.equal(await page.locator('#password-value, .question, .pin, [data-action="collect_pin"]').count(), 0);
        await press(page, "Space", "Enter");
        await sees(page, ".aloud", "47");
        assert.equal(asked("prove")[0].method, "app");
        await sees(page, ".spoken", "goes on by itself");
        await sees(page, ".spoken", "Good for another");
        assert.equal(await page.locator('#password-value, .question, .pin, [data-action="collect_pin"]').count(), 0);
      },
    ],
    [
      "o05_o07_a_customer_who_rings_us_gets_a_reference_and_never_a_number",
      async (page) => {
        mock.set(STATES.outbound_app("o"));
        mock.answer = (request) => (request.type === "proof" ? STATES.outbound_call_back("o") : undefined);
        await byKeyboard(page);
        await focused(page, '[name="result"][value="call_back"]');
        assert.equal(
          await page.locator('[name="result"][value="accepted"]').count(),
          0,
          "the tap says it, not the agent",
        );
        await press(page, "Space", "Enter");
        await until(() => asked("proof").length === 1, "the wish is sent");
        assert.equal(asked("proof")[0].result, "call_back");
        await sees(page, ".aloud", "904 416");
        await sees(page, ".spoken", "Give no telephone number");
      },
    ],
    [
      "o09_the_letters_code_is_read_first_and_theirs_typed",
      async (page) => {
        mock.set(STATES.outbound_letter("o"));
        mock.answer = (request) => {
          if (request.type === "proof") return STATES.outbound_letter_agreed("o");
          if (request.type === "answer")
            return STATES.outbound_waived("o", { proof: { stage: "proved", method: "letter" } });
          return undefined;
        };
        await byKeyboard(page);
        await sees(page, ".aloud", "471 203");
        assert.equal(await page.locator("#proof-value").count(), 0, "theirs is not asked for before ours was heard");
        await focused(page, '[name="result"][value="accepted"]');
        await press(page, "Space", "Enter");
        await focused(page, "#proof-value");
        assert.equal(await page.locator(".aloud").count(), 0);
        await page.keyboard.type("880112");
        await press(page, "Enter");
        await sees(page, ".chips", "We have proved ourselves");
        assert.deepEqual(
          mock.requests.map(({ id, call: _, ...rest }) => rest),
          [
            { type: "proof", result: "accepted" },
            { type: "answer", question: "letter_code", value: "880112" },
          ],
        );
        assert.ok(!(await page.content()).includes("880112"));
      },
    ],
    [
      "o01_a_customer_who_declines_is_let_go_politely",
      async (page) => {
        mock.set(STATES.outbound("o"));
        await byKeyboard(page);
        await focused(page, '[name="method"][value="app"]');
        await press(page, "ArrowUp", "Enter");
        await until(() => asked("proof").length === 1, "it is recorded");
        assert.equal(asked("proof")[0].result, "declined");
        assert.equal(asked("prove").length, 0);
      },
    ],
    [
      "x32_after_a_waive_no_pin_is_offered",
      async (page) => {
        mock.set(STATES.outbound_waived("o"));
        await enter(page);
        await sees(page, ".proof", "No PIN can be asked on this call");
        assert.equal(await page.locator('[data-action="collect_pin"], .pin').count(), 0);
        await focused(page, "#answer-last_contact");
      },
    ],
    [
      "focus_is_never_taken_from_a_field_in_which_someone_types",
      async (page) => {
        mock.set(STATES.cmg_questions("c"));
        await enter(page);
        await focused(page, "#answer-payment_method");
        await page.keyboard.type("by stand");
        mock.set({
          ...STATES.cmg_questions("c"),
          version: 7,
          say: "Take your time.",
          primary: "release",
          queue: "moved",
        });
        await sees(page, ".say", "Take your time.");
        await page.keyboard.type("ing order");
        assert.equal(await page.locator("#answer-payment_method").inputValue(), "by standing order");
      },
    ],
    [
      "letters_meant_for_a_field_that_has_just_gone_do_nothing",
      async (page) => {
        mock.set(STATES.cmg_questions("c"));
        await enter(page);
        await focused(page, "#answer-payment_method");
        await page.keyboard.type("by bank trans");
        mock.set({
          ...STATES.cmg_questions("c"),
          version: 2,
          questions: null,
          primary: null,
          actions: ["transfer", "wrap_up"],
          say: "One moment.",
        });
        await sees(page, ".say", "One moment.");
        await page.keyboard.type("fer");
        await page.waitForTimeout(200);
        assert.equal(await page.locator("dialog.over").count(), 0, "no form opened by a stray letter");
      },
    ],
    [
      "a_key_held_down_does_a_step_once",
      async (page) => {
        mock.set(call("h", { agent: "alice", actions: ["collect_pin", "release"], primary: "collect_pin" }));
        mock.answer = (request, row) =>
          request.type === "collect_pin" ? { ...row, primary: "release", actions: ["release"] } : undefined;
        await enter(page);
        await focused(page, '[data-action="collect_pin"]');
        await page.keyboard.down("Enter");
        await focused(page, '[data-action="release"]');
        for (let repeats = 0; repeats < 5; repeats += 1) await page.keyboard.down("Enter");
        await page.keyboard.up("Enter");
        await page.waitForTimeout(150);
        assert.deepEqual(types(), ["collect_pin"]);
      },
    ],
  ];
}
