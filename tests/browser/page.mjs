// The page's stories against the scripted server.
import assert from "node:assert/strict";
import { CONGRATULATIONS, STATES, UNFORTUNATELY, call } from "./calls.mjs";
import { accessible, clean, sees } from "./check.mjs";
import { POLICY } from "./mock.mjs";
import { deskTests, linkTests } from "./page-desk.mjs";

const DARK = { colorScheme: "dark" };
/** A frame, a repaint, a reconnect: on a busy machine each may take seconds. */
const WITHIN_MS = 15_000;

/** @returns {[string, (page: import("playwright-core").Page, context: import("playwright-core").BrowserContext) => Promise<void>, object?][]} */
export function pageTests(mock, shots) {
  const enter = async (page, token = "good") => {
    await page.goto(`${mock.url}/#token=${token}`);
    await sees(page, ".link", "Connected");
  };
  const shot = (page, name) => page.screenshot({ path: `${shots}${name}.png` });
  const asked = (type) => mock.requests.filter((request) => request.type === type);
  const until = async (test, what) => {
    const last = Date.now() + WITHIN_MS;
    while (Date.now() < last) {
      if (await test()) return;
      await new Promise((later) => {
        setTimeout(later, 25);
      });
    }
    throw new Error(`never: ${what}`);
  };
  return [
    ...stateTests(mock, enter, shot),
    ...signInTests(mock, enter, shot),
    ...checkTests(mock, enter, shot, asked, until),
    ...deskTests(mock, enter, shot, asked, until),
    ...linkTests(mock, enter, shot, asked, until),
  ];
}

/** Every main state, in both schemes: the right badge, no accessibility violation, a picture. */
function stateTests(mock, enter, shot) {
  const badges = {
    authenticated: "Authenticated",
    partially_verified: "partially verified",
    blocked: "Blocked",
    reset_required: "Reset required",
    system_unavailable: "Check unavailable",
    congratulated: "Authenticated",
    ended: "Authenticated",
  };
  return Object.entries(STATES).flatMap(([name, make]) =>
    [
      ["light", {}],
      ["dark", DARK],
    ].map(([scheme, options]) => [
      `state_${name}_${scheme}`,
      async (page) => {
        const { call: row } = (mock.set(make()), [...mock.calls.values()][0]);
        mock.set(
          call("w-1", {
            ani_display: "••••••7711",
            class: "app_authenticated",
            authentication: "authenticated",
            badge: "Authenticated",
          }),
        );
        mock.set(
          call("w-2", {
            ani_display: "••••••0099",
            class: "verified_number",
            authentication: "partially_verified",
            badge: "partially verified",
            queue: "savings",
          }),
        );
        await enter(page);
        await page.locator(`.row[data-call="${row.id}"]`).click();
        await page.locator(`[data-call="${row.id}"] .badge-text`).waitFor();
        await sees(page, ".badge-text", badges[name] ?? "NOT Authenticated");
        assert.ok(await page.locator(".badge .icon").isVisible());
        await page.mouse.move(5, 855);
        await accessible(page);
        await clean(page);
        await shot(page, `${name}-${scheme}`);
      },
      options,
    ]),
  );
}

function signInTests(mock, enter, shot) {
  return [
    [
      "sign_in_with_a_pasted_token",
      async (page) => {
        mock.set(STATES.authenticated());
        await page.goto(mock.url);
        await sees(page, "h1", "Sign in");
        await accessible(page);
        await clean(page);
        await shot(page, "sign-in");
        await page.getByLabel("Access token").fill("good");
        await page.keyboard.press("Enter");
        await sees(page, ".link", "Connected");
        await sees(page, "#call-title", "Maria Lindqvist");
      },
    ],
    [
      "the_token_leaves_the_address_bar_at_once_and_survives_a_reload",
      async (page) => {
        await enter(page);
        assert.equal(page.url(), `${mock.url}/`);
        assert.equal(await page.evaluate(() => history.length <= 2 && location.hash), "");
        await page.reload();
        await sees(page, ".link", "Connected");
        assert.ok(!(await page.content()).includes('good"'));
      },
    ],
    [
      "a_bad_token_is_refused_with_words_and_forgotten",
      async (page) => {
        await page.goto(`${mock.url}/#token=bad`);
        await sees(page, ".notice.bad", "not valid or has expired");
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
        await accessible(page);
        await shot(page, "bad-token");
      },
    ],
    [
      "a_token_without_the_role_is_told_so",
      async (page) => {
        await page.goto(`${mock.url}/#token=no-agent`);
        await sees(page, ".notice.bad", "may not use the agent desktop");
      },
    ],
    [
      "sign_out_forgets_the_token_and_the_calls",
      async (page) => {
        mock.set(STATES.authenticated());
        await enter(page);
        await sees(page, "#call-title", "Maria Lindqvist");
        await page.getByRole("button", { name: "Sign out" }).click();
        await sees(page, "h1", "Sign in");
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
        assert.ok(!(await page.content()).includes("Lindqvist"));
      },
    ],
    [
      "the_policy_forbids_inline_code_and_the_page_needs_none",
      async (page) => {
        const response = await page.goto(mock.url);
        assert.equal(response.headers()["content-security-policy"], POLICY);
        const blocked = await page.evaluate(() => {
          try {
            document.createElement("div").innerHTML = "<b>x</b>";
            return false;
          } catch {
            return true;
          }
        });
        assert.ok(blocked, "trusted types are not in force");
      },
      { complains: /TrustedHTML/ },
    ],
  ];
}

function checkTests(mock, enter, shot, asked, until) {
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
        mock.set(call("busy", { agent: "alice", actions: [] }));
        mock.set(call("next"));
        await enter(page);
        await page.locator('.row[data-call="busy"]').click();
        mock.set(call("next", { agent: "alice", version: 2, customer: { id: "c", name: "Ines Duarte" } }));
        await sees(page, "#call-title", "Ines Duarte");
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
        await sees(page, ".say", "Wait: the caller is keying two PIN digits.");
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
        await sees(page, ".say", "the digits did not match");
        await shot(page, "pin-second-try");
        mock.set({ ...STATES.failed("p"), version: 3 });
        await sees(page, ".message.bad", UNFORTUNATELY);
        assert.equal(await page.locator(".message.bad").getAttribute("role"), "alert");
        await sees(page, ".pin .progress", "PIN digits not correct");
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
      "b11_five_questions_by_keyboard_alone",
      async (page) => {
        const marks = [null, null, null, null, null];
        mock.set(STATES.questions("q", marks));
        mock.answer = (request, row) => {
          const index = row.questions.items.findIndex(({ key }) => key === request.question);
          if (request.type === "reveal")
            return {
              ...row,
              questions: {
                ...row.questions,
                items: row.questions.items.map((item, at) => (at === index ? { ...item, answer: "3 May" } : item)),
              },
            };
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
        await until(
          () => page.evaluate(() => document.activeElement.dataset.question === "last_transaction_date"),
          "question 1 has the focus",
        );
        await page.keyboard.press("s");
        await sees(page, ".answer", "3 May");
        await shot(page, "questions-revealed");
        for (const [key, counter, focus] of [
          ["r", "1 of 3", "last_transaction_amount"],
          ["w", "1 of 3", "place_of_birth"],
          ["r", "2 of 3", "main_balance"],
          ["r", "3 of 3", "date_of_birth"],
        ]) {
          await page.keyboard.press(key);
          await sees(page, ".questions .count", counter);
          await until(
            () => page.evaluate((wanted) => document.activeElement.dataset.question === wanted, focus),
            `the focus goes on to ${focus}`,
          );
        }
        await sees(page, ".say", "Enough right answers");
        await accessible(page);
        await shot(page, "questions-decided");
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
        await until(
          async () => (await page.locator(".questions [aria-disabled=true]").count()) === 0,
          "the password is answered",
        );
        await page.locator("#answer-postcode").fill("AB1 2CD");
        await page.keyboard.press("Enter");
        await until(() => asked("answer").length === 1, "the answer is sent");
      },
    ],
    [
      "only_allowed_actions_are_offered",
      async (page) => {
        for (const make of Object.values(STATES)) {
          const row = make("one");
          mock.clear();
          mock.set(row);
          await page.goto("about:blank");
          await enter(page);
          await page.locator('.row[data-call="one"]').click();
          await page.locator('[data-call="one"] .do').waitFor();
          const offered = await page
            .locator("[data-action]")
            .evaluateAll((nodes) => nodes.map((node) => node.dataset.action));
          for (const action of offered) assert.ok(row.actions.includes(action), `${action} is offered`);
          assert.equal(new Set(offered).size, offered.length);
          assert.ok((await page.locator("button.primary").count()) <= 1);
        }
      },
    ],
  ];
}
