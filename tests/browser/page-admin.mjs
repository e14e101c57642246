// PIN maintenance, against a scripted server.
import assert from "node:assert/strict";
import { STUCK, at, error, file, pins, situation, token } from "./admin-mock.mjs";
import { accessible, clean, fitsWidth, focused, sees, until } from "./check.mjs";

const SCHEMES = [
  ["light", {}],
  ["dark", { colorScheme: "dark" }],
];
const RUNNING = { running: true, examined: 640_000, total: 1_204_311, created: 15_562, rate: 21_480, seconds_left: 26.3, started_at: at(30), by: "pin_admin-1", error: null };

/** @returns {[string, (page: import("playwright-core").Page) => Promise<void>, object?][]} */
export function adminTests(mock, shots) {
  const enter = async (page, role = "pin_admin") => {
    await page.goto(`${mock.url}/admin#token=${token(role)}`);
    await page.locator("#number").waitFor();
    if (["admin", "pin_admin", "webmaster"].includes(role)) await page.locator(".bars").waitFor();
  };
  const look = async (page, id, reason = "the caller forgot the PIN") => {
    await page.locator("#number").fill(id);
    if (reason !== null) await page.locator("#reason").fill(reason);
    await page.keyboard.press("Enter");
    await page.locator(`.file[data-customer="${id}"]`).waitFor();
  };
  const shot = (page, name) => page.screenshot({ path: `${shots}admin-${name}.png`, fullPage: true, caret: "initial" });
  const tools = { mock, enter, look, shot };
  return [...fileTests(tools), ...situationTests(tools), ...actionTests(tools), ...estateTests(tools), ...doorTests(tools)];
}

/** One story in both schemes. Names are written out, so that they can be found in the sources. */
function inBoth(...names) {
  return SCHEMES.map(([scheme, options], index) => [names[index], scheme, options]);
}

function fileTests({ mock, enter, look, shot }) {
  return [
    ...inBoth("p10_an_account_number_opens_its_pin_file_light", "p10_an_account_number_opens_its_pin_file_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        mock.files.set("100012", file("100012", "link_not_followed"));
        await enter(page);
        await accessible(page);
        await shot(page, `estate-${scheme}`);
        await look(page, "100012");
        await sees(page, '[data-flag="initialized"]', "Yes");
        await sees(page, '[data-flag="enabled"]', "No");
        await sees(page, ".situation", "The link was not followed");
        await sees(page, ".recommendation", "If it is gone or too old, resend.");
        await sees(page, '[data-date="registered"] dd', new Date(at(52 * 3600)).getFullYear().toString());
        await sees(page, '[data-date="activated"] dd', "not yet");
        await sees(page, '[data-counter="wrong_entries"] dd', "2");
        await sees(page, '[data-counter="hint"] dd', "none set");
        await sees(page, ".history td", "Customer registered and chose a PIN");
        await focused(page, "#file-title");
        await accessible(page);
        await clean(page);
        await shot(page, `file-${scheme}`);
      },
      options,
    ]),
    [
      "p28_every_account_is_a_look_of_its_own_with_a_reason_of_its_own",
      async (page) => {
        mock.files.set("1", file("1", "enabled"));
        mock.files.set("2", file("2", "letter_sent"));
        await enter(page);
        await page.locator("#number").fill("1");
        await page.keyboard.press("Enter");
        await sees(page, "#look-trouble", "Give a reason");
        await focused(page, "#reason");
        await look(page, "1", "the caller forgot the PIN");
        assert.equal(await page.locator("#reason").inputValue(), "", "the reason is not kept by itself");
        await page.locator("#number").fill("2");
        await page.keyboard.press("Enter");
        await sees(page, "#look-trouble", "Give a reason");
        await page.locator("#keep").check();
        await page.locator("#number").focus();
        await look(page, "2", "letters of March");
        assert.equal(await page.locator('.file[data-customer="1"]').count(), 0, "nothing of the first account is left");
        assert.equal(await page.locator("#reason").inputValue(), "letters of March", "kept, as the administrator said");
        await page.locator("#number").focus();
        await look(page, "1", null);
        const looks = mock.asked.filter(({ path }) => path.startsWith("/v1/customers/")).map(({ path }) => path);
        assert.deepEqual(looks, ["/v1/customers/1/pin?reason=the%20caller%20forgot%20the%20PIN", "/v1/customers/2/pin?reason=letters%20of%20March", "/v1/customers/1/pin?reason=letters%20of%20March"]);
      },
    ],
    [
      "p10_an_unknown_number_is_said_and_opens_nothing",
      async (page) => {
        mock.files.set("1", file("1", "enabled"));
        await enter(page);
        await look(page, "1");
        await page.locator("#number").fill("404");
        await page.locator("#reason").fill("a letter came back");
        await page.keyboard.press("Enter");
        await sees(page, "#look-trouble", "no account with this number");
        assert.equal(await page.locator(".file").count(), 0);
        await focused(page, "#number");
        await accessible(page);
      },
      { complains: /404/ },
    ],
    [
      "x21_p26_no_field_takes_a_pin_or_a_hint_for_a_customer",
      async (page) => {
        for (const [index, code] of ["letter_sent", "link_not_followed", "enabled", "impossible"].entries()) {
          const actions = ["reset", "generate", "resend", "unblock", "hint"];
          mock.files.set(`${index}`, file(`${index}`, code, { situation: situation(code, actions), hint: { set: true, may_be_told: true } }));
        }
        await enter(page);
        const fields = () => page.locator("input, textarea, select").evaluateAll((all) => all.map(({ id, name }) => id || name));
        const allowed = new Set(["number", "reason", "keep", "ask-reason", "channel"]);
        for (const id of ["0", "1", "2", "3"]) {
          await look(page, id);
          for (const action of ["reset", "generate", "resend", "unblock", "hint"]) {
            await page.locator(`[data-fk="do:${action}"]`).click();
            await page.locator(`dialog[data-ask="${action}"]`).waitFor();
            assert.deepEqual((await fields()).filter((one) => !allowed.has(one)), [], `${id} ${action}`);
            await page.keyboard.press("Escape");
            await page.locator("dialog").waitFor({ state: "detached" });
            await focused(page, `[data-fk="do:${action}"]`);
          }
        }
      },
    ],
    [
      "p10_the_pin_file_can_be_used_at_320_pixels",
      async (page) => {
        mock.files.set("100012", file("100012", "link_not_followed"));
        mock.pins = pins({ alerts: [{ code: "mail_trouble", count: 214, message: "214 accounts wait for their link for more than 24 hours." }] });
        await enter(page);
        await look(page, "100012");
        await fitsWidth(page);
        await accessible(page);
        await clean(page);
        await shot(page, "narrow");
        await page.locator('[data-fk="do:reset"]').click();
        await page.locator("dialog").waitFor();
        await fitsWidth(page);
        await accessible(page);
        await shot(page, "narrow-dialog");
      },
      { viewport: { width: 320, height: 640 } },
    ],
    [
      "p10_the_pin_file_keeps_its_signs_in_forced_colours",
      async (page) => {
        mock.files.set("100012", file("100012", "enabled"));
        await enter(page);
        await look(page, "100012");
        assert.ok(await page.locator(".file-badge .icon").isVisible());
        await sees(page, '[aria-current="step"]', "now");
        await shot(page, "forced");
      },
      { forcedColors: "active", colorScheme: "dark" },
    ],
  ];
}

function situationTests({ mock, enter, look, shot }) {
  const shows = (code, over = {}) => async (page) => {
    mock.files.set("7", file("7", code, over));
    await enter(page);
    await look(page, "7");
    const { title, recommendation, flags } = situation(code);
    await sees(page, ".situation", title);
    await sees(page, ".recommendation", recommendation);
    const words = await page.locator('[data-flag="initialized"] dd, [data-flag="enabled"] dd').allInnerTexts();
    assert.equal(words.map((word) => word.trim()).join("/"), flags);
    await accessible(page);
    await shot(page, code);
  };
  return [
    ["p18_no_no_says_what_it_means_and_what_to_do", shows("reset_unused")],
    ["p19_yes_no_says_what_it_means_and_what_to_do", shows("tried_before_link")],
    ["p20_yes_yes_says_what_it_means_and_what_to_do", shows("enabled")],
    ["p21_no_yes_says_that_it_cannot_be_and_what_to_do", shows("impossible")],
    [
      "p22_the_three_causes_of_a_stuck_activation_are_told_apart",
      async (page) => {
        await enter(page);
        const causes = ["The e-mail address does not exist", "The link was not followed", "The PIN was used before the link"];
        for (const [index, cause] of causes.entries()) await sees(page, `.stuck-row[data-customer="${STUCK[index].customer}"] .cause`, cause);
      },
    ],
  ];
}

function actionTests({ mock, enter, look, shot }) {
  return [
    ...inBoth("p14_x20_a_reset_says_what_becomes_void_and_wants_a_reason_light", "p14_x20_a_reset_says_what_becomes_void_and_wants_a_reason_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        mock.files.set("7", file("7", "enabled"));
        await enter(page);
        await look(page, "7");
        await page.locator('[data-fk="do:reset"]').focus();
        await page.keyboard.press("Enter");
        await sees(page, "dialog", "A call with the old PIN fails from now on");
        await sees(page, "dialog", "Nobody here sees it");
        await focused(page, "#ask-reason");
        await accessible(page);
        await clean(page);
        await shot(page, `reset-${scheme}`);
        await page.keyboard.press("Enter");
        await sees(page, "#ask-trouble", "Give a reason");
        assert.equal(mock.posts("/v1/customers/7/pin:reset").length, 0, "nothing was sent");
        await page.locator("#ask-reason").fill("the letter went to the old address");
        await page.keyboard.press("Enter");
        await sees(page, ".notice", "The PIN is reset");
        await sees(page, ".situation", "The letter waits to be printed");
        await focused(page, "#file-title");
        assert.deepEqual(mock.posts("/v1/customers/7/pin:reset").map(({ body }) => body), [{ reason: "the letter went to the old address" }]);
        await accessible(page);
        await shot(page, `reset-done-${scheme}`);
      },
      options,
    ]),
    [
      "p14_a_pressed_key_resets_once_and_a_refusal_is_said",
      async (page) => {
        mock.files.set("7", file("7", "enabled"));
        mock.rest.set("POST /v1/customers/7/pin:reset", async () => {
          await new Promise((later) => {
            setTimeout(later, 300);
          });
          return error(503, "unavailable", "the records cannot be reached; try again in a few seconds");
        });
        await enter(page);
        await look(page, "7", "the caller forgot the PIN");
        await page.locator('[data-fk="do:reset"]').click();
        await page.locator('[data-fk="same-reason"]').click();
        await page.keyboard.press("Enter");
        await page.keyboard.press("Enter");
        await sees(page, "#ask-trouble", "The records cannot be reached");
        assert.deepEqual(mock.posts("/v1/customers/7/pin:reset").map(({ body }) => body), [{ reason: "the caller forgot the PIN" }]);
      },
      { complains: /503/ },
    ],
    [
      "p19_a_link_is_mailed_again_with_a_reason",
      async (page) => {
        mock.files.set("7", file("7", "link_not_followed"));
        await enter(page, "support");
        await look(page, "7");
        await page.locator('[data-fk="do:resend"]').click();
        await page.locator("#ask-reason").fill("mail was deleted");
        await page.keyboard.press("Enter");
        await sees(page, ".notice", "Older links do not work any more");
        assert.deepEqual(mock.posts("/v1/customers/7/pin:resend").map(({ body }) => body), [{ reason: "mail was deleted" }]);
      },
    ],
    [
      "x19_p11_the_hint_is_shown_to_a_verified_channel_only_and_until_it_is_hidden",
      async (page) => {
        const hint = "the street where the blue house stood";
        mock.files.set("7", file("7", "enabled"));
        mock.files.set("8", file("8", "enabled", { hint: { set: true, may_be_told: false } }));
        await enter(page);
        await look(page, "7");
        assert.ok(!(await page.content()).includes(hint), "nobody asked for it yet");
        await page.locator('[data-fk="do:hint"]').click();
        await page.locator("#ask-reason").fill("passed the check a minute ago");
        await page.keyboard.press("Enter");
        await sees(page, "#ask-trouble", "Choose to whom");
        assert.equal(mock.posts("/v1/customers/7/pin:hint").length, 0);
        await accessible(page);
        await shot(page, "hint-dialog");
        await page.locator('[data-fk="channel:verified_call"]').check();
        await page.locator('[data-fk="ask-go"]').click();
        await sees(page, ".hint-shown", hint);
        await focused(page, "#hint-title");
        await accessible(page);
        await shot(page, "hint");
        assert.deepEqual(mock.posts("/v1/customers/7/pin:hint").map(({ body }) => body), [{ reason: "passed the check a minute ago", channel: "verified_call" }]);
        await page.locator('[data-fk="hide-hint"]').click();
        await until(async () => !(await page.content()).includes(hint), "the hint is gone");
        await look(page, "8");
        await sees(page, '[data-counter="hint"] dd', "may not be told");
        assert.equal(await page.locator('[data-fk="do:hint"]').count(), 0);
      },
    ],
    [
      "x19_the_hint_goes_with_the_account_it_belongs_to",
      async (page) => {
        mock.files.set("7", file("7", "enabled"));
        mock.files.set("8", file("8", "enabled"));
        await enter(page);
        await look(page, "7");
        await page.locator('[data-fk="do:hint"]').click();
        await page.locator('[data-fk="channel:verified_address"]').check();
        await page.locator("#ask-reason").fill("wrote from the address on file");
        await page.keyboard.press("Enter");
        await page.locator(".hint-shown").waitFor();
        await look(page, "8");
        assert.equal(await page.locator(".hint-shown").count(), 0);
      },
    ],
    [
      "p29_an_unblock_waits_for_a_second_person_where_two_are_needed",
      async (page) => {
        const blocked = (asked_by) =>
          file("7", "enabled", {
            standing: "blocked",
            situation: situation("enabled", ["unblock", "reset"]),
            unblock: { second_person: true, asked_by, asked_at: asked_by && at(600) },
          });
        mock.files.set("7", blocked(null));
        mock.rest.set("POST /v1/customers/7/pin:unblock", () => [202, blocked("pin_admin-1")]);
        await enter(page);
        await look(page, "7");
        await sees(page, ".standing", "Blocked");
        await sees(page, ".standing-means", "until it is unblocked");
        await page.locator('[data-fk="do:unblock"]').click();
        await sees(page, "dialog", "a second person agrees");
        await page.locator("#ask-reason").fill("proved themselves at the counter");
        await page.keyboard.press("Enter");
        await sees(page, ".notice", "when a second person agrees");
        await sees(page, ".second", "pin_admin-1 asked for it");
        await sees(page, ".second", "You asked for it yourself");
        assert.equal(await page.locator('[data-fk="do:unblock"]').count(), 0, "nobody agrees with themselves");
        await accessible(page);
        await shot(page, "unblock-waits");
        mock.files.set("7", blocked("pin_admin-9"));
        await look(page, "7");
        await sees(page, ".second", "Waits for a second person. pin_admin-9 asked for it");
        await page.locator('[data-fk="do:unblock"]').click();
        await sees(page, '[data-fk="ask-go"]', "Agree and unblock");
      },
    ],
  ];
}

function estateTests({ mock, enter, shot }) {
  return [
    ...inBoth("p23_p24_alerts_stand_above_everything_light", "p23_p24_alerts_stand_above_everything_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        await enter(page);
        assert.equal(await page.locator(".alert").count(), 0);
        mock.pins = pins({
          estate: { stuck: 214, stuck_waiting: 201, no_yes_repaired: 2 },
          alerts: [
            { code: "mail_trouble", count: 214, message: "214 accounts wait for their link for more than 24 hours; 201 of the mails were not taken by the mail server." },
            { code: "impossible_flags", count: 2, message: "2 accounts came with Initialized = No and Enabled = Yes." },
          ],
        });
        await page.reload();
        await sees(page, '[role="alert"] .alert[data-alert="mail_trouble"]', "look at the mail server first");
        await sees(page, '[role="alert"] .alert[data-alert="impossible_flags"]', "vendor support");
        await until(async () => (await page.title()).startsWith("(2!)"), "the tab says so too");
        await accessible(page);
        await clean(page);
        await shot(page, `alerts-${scheme}`);
      },
      options,
    ]),
    [
      "p02_the_estate_is_a_table_with_bars_and_the_sum_fits",
      async (page) => {
        await enter(page);
        const rows = await page.locator(".bars tbody tr").evaluateAll((all) => all.map((row) => [row.dataset.estate, row.querySelector("td")?.textContent]));
        assert.deepEqual(rows, [
          ["without_initial", "24,309"],
          ["waiting", "180,441"],
          ["expired", "12,004"],
          ["yes_no", "4,377"],
          ["yes_yes", "983,180"],
        ]);
        await sees(page, '[data-estate="blocked"] dd', "212");
      },
      { locale: "en-GB" },
    ],
    [
      "p22_a_stuck_account_is_chosen_from_the_list_and_still_needs_a_reason",
      async (page) => {
        mock.files.set("100007", file("100007", "address_refused"));
        await enter(page);
        await page.locator('[data-fk="pick:100007"]').click();
        await focused(page, "#reason");
        assert.equal(await page.locator("#number").inputValue(), "100007");
        assert.equal(mock.asked.filter(({ path }) => path.startsWith("/v1/customers/")).length, 0, "no look without a reason");
        await page.keyboard.type("address refused");
        await page.keyboard.press("Enter");
        await page.locator('.file[data-customer="100007"]').waitFor();
      },
    ],
    ...inBoth("p02_p03_a_generation_is_started_followed_and_stopped_light", "p02_p03_a_generation_is_started_followed_and_stopped_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        mock.rest.set("POST /v1/pins:generate", () => {
          mock.pins = pins({ generation: RUNNING });
          return [202, { generation: RUNNING }];
        });
        mock.rest.set("POST /v1/pins:stop", () => {
          mock.pins = pins({ generation: { ...RUNNING, running: false, examined: 900_000, created: 20_001 } });
          return [200, { generation: mock.pins.generation }];
        });
        await enter(page);
        await page.locator('[data-fk="generate-all"]').click();
        await sees(page, "dialog", "36,313 have neither a PIN nor a good initial PIN");
        await accessible(page);
        await shot(page, `generate-${scheme}`);
        await page.locator('[data-fk="ask-go"]').click();
        await sees(page, ".running", "640,000 of 1,204,311");
        await sees(page, ".running", "21,480 a second");
        await sees(page, ".running", "about 26 s");
        assert.equal(await page.locator("progress").getAttribute("value"), "53");
        await focused(page, '[data-fk="stop"]');
        await accessible(page);
        await clean(page);
        await shot(page, `generating-${scheme}`);
        mock.pins = pins({ generation: { ...RUNNING, examined: 1_000_000, seconds_left: 9.5 } });
        await sees(page, ".running", "1,000,000 of 1,204,311");
        await sees(page, "#polite", "80 percent");
        await page.locator('[data-fk="stop"]').click();
        await sees(page, ".idle", "stopped before the end");
        await sees(page, '[data-fk="generate-all"]', "Go on");
      },
      { ...options, locale: "en-GB" },
    ]),
    [
      "p04_a_generation_that_fails_says_why_and_can_go_on",
      async (page) => {
        mock.pins = pins({ generation: { ...RUNNING, running: false, error: "the records cannot be reached" } });
        await enter(page);
        await sees(page, ".generation .message", "ended early: the records cannot be reached");
        await sees(page, '[data-fk="generate-all"]', "Go on");
        await accessible(page);
      },
    ],
    [
      "p23_numbers_that_cannot_be_read_are_said_and_come_back",
      async (page) => {
        mock.pins = pins({ generation: RUNNING });
        await enter(page);
        mock.rest.set("GET /v1/pins", () => error(503, "unavailable", "the record store cannot be reached"));
        await sees(page, ".estate-side .notice", "could not be read");
        mock.rest.delete("GET /v1/pins");
        await until(async () => (await page.locator(".estate-side .notice").count()) === 0, "the numbers are back");
      },
      { complains: /503/ },
    ],
  ];
}

function doorTests({ mock, enter, look, shot }) {
  const offered = (page) => page.locator(".file-do button").evaluateAll((all) => all.map((one) => one.dataset.fk));
  const everything = () => file("7", "link_not_followed", { situation: situation("link_not_followed", ["hint", "resend", "unblock", "reset", "generate"]), hint: { set: true, may_be_told: true } });
  return [
    [
      "p29_support_sees_a_pin_file_and_resends_and_nothing_else",
      async (page) => {
        mock.files.set("7", everything());
        await enter(page, "support");
        await look(page, "7");
        assert.deepEqual(await offered(page), ["do:resend"]);
        for (const hidden of [".estate", ".generation", ".stuck"]) assert.equal(await page.locator(hidden).count(), 0, hidden);
        assert.deepEqual(mock.asked.filter(({ path }) => path.startsWith("/v1/pins")), [], "nothing is asked that would be refused");
        await accessible(page);
        await shot(page, "support");
      },
    ],
    [
      "p18_where_there_is_nothing_to_do_an_administrator_is_not_told_to_ask_one",
      async (page) => {
        mock.files.set("7", file("7", "letter_to_print", { history: [{ at: at(5), actor: "ann", what: "initial_pin_issued", detail: { batch: 2, expires: Date.now(), version: 2, nested: { a: 1 } } }] }));
        await enter(page);
        await look(page, "7");
        await sees(page, ".recommendation", "have the waiting letters printed");
        assert.ok(!(await page.locator(".file-do").innerText()).includes("PIN administrator"));
        const more = await page.locator(".history .more").innerText();
        assert.match(more, /^Number: 2 · Good until: .*\d{4}/);
        await enter(page, "support");
        await look(page, "7");
        await sees(page, ".file-do", "for a PIN administrator");
      },
    ],
    [
      "p29_a_webmaster_sees_mail_trouble_and_resends_and_generates_nothing",
      async (page) => {
        mock.files.set("7", everything());
        await enter(page, "webmaster");
        await look(page, "7");
        assert.deepEqual(await offered(page), ["do:resend"]);
        await page.locator(".stuck").waitFor();
        assert.equal(await page.locator(".generation").count(), 0);
        await accessible(page);
      },
    ],
    [
      "p29_a_pin_administrator_is_offered_what_the_situation_offers",
      async (page) => {
        mock.files.set("7", everything());
        await enter(page);
        await look(page, "7");
        assert.deepEqual(await offered(page), ["do:hint", "do:resend", "do:unblock", "do:reset", "do:generate"]);
      },
    ],
    [
      "p29_an_agent_is_told_that_this_page_is_for_others",
      async (page) => {
        await page.goto(`${mock.url}/admin#token=${token("agent")}`);
        await sees(page, ".sign-in .notice", "This token is for another page");
        assert.ok(!page.url().includes("token"), "the token stays in the address bar");
        assert.deepEqual(mock.asked, []);
        await accessible(page);
      },
    ],
    [
      "p29_a_token_that_has_expired_leads_back_to_the_door_and_leaves_nothing_behind",
      async (page) => {
        mock.files.set("7", file("7", "enabled"));
        await enter(page);
        await look(page, "7");
        mock.rest.set("POST /v1/customers/7/pin:reset", () => error(401, "unauthenticated", "the token has expired; sign in again"));
        await page.locator('[data-fk="do:reset"]').click();
        await page.locator("#ask-reason").fill("the caller forgot the PIN");
        await page.keyboard.press("Enter");
        await sees(page, ".sign-in .notice", "the token has expired");
        assert.ok(!(await page.content()).includes("Customer 7"));
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
      },
      { complains: /401/ },
    ],
  ];
}
