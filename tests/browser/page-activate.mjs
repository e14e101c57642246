// The customer's page, against a scripted server.
import assert from "node:assert/strict";
import { error } from "./admin-mock.mjs";
import { accessible, clean, fitsWidth, focused, sees, until } from "./check.mjs";

const SCHEMES = [
  ["light", {}],
  ["dark", { colorScheme: "dark" }],
];
const INITIAL = "4820719";
const PIN = "9402716";
const TOKEN = "Zm9sbG93LW1lLW9uY2U";

/** @returns {[string, (page: import("playwright-core").Page) => Promise<void>, object?][]} */
export function activateTests(mock, shots) {
  const open = async (page, fragment = "") => {
    await page.goto(`${mock.url}/activate${fragment}`);
    await page.locator("#title").waitFor();
  };
  const fill = async (page, over = {}) => {
    const values = { number: "100012", initial: INITIAL, pin: PIN, again: PIN, email: "ann@example.org", email_again: "ann@example.org", ...over };
    for (const [id, value] of Object.entries(values)) await page.locator(`#${id}`).fill(value);
  };
  const shot = (page, name) => page.screenshot({ path: `${shots}activate-${name}.png`, fullPage: true, caret: "initial" });
  const tools = { mock, open, fill, shot };
  return [...registerTests(tools), ...refusalTests(tools), ...linkTests(tools)];
}

/** Values of the fields for PINs, as they stand in the page. */
const secrets = (page) => page.locator(".secret-value").evaluateAll((all) => all.map((one) => one.value).join(""));

/** One story in both schemes. Names are written out, so that they can be found in the sources. */
function inBoth(...names) {
  return SCHEMES.map(([scheme, options], index) => [names[index], scheme, options]);
}

function registerTests({ mock, open, fill, shot }) {
  return [
    ...inBoth("p15_a_customer_registers_with_the_letter_and_is_told_about_the_mail_light", "p15_a_customer_registers_with_the_letter_and_is_told_about_the_mail_dark").map(
      ([name, scheme, options]) => [
        name,
        async (page) => {
          await open(page);
          await accessible(page);
          await clean(page);
          await shot(page, `register-${scheme}`);
          await fill(page, { initial: "482 07 19", pin: "940-2716" });
          await page.keyboard.press("Enter");
          await sees(page, ".message.good", "We have mailed a link to ann@example.org");
          await focused(page, "#title");
          await accessible(page);
          await shot(page, `registered-${scheme}`);
          assert.deepEqual(mock.posts("/v1/pins/register").map(({ body }) => body), [{ customer_id: "100012", initial_pin: INITIAL, pin: PIN, email: "ann@example.org" }]);
          const left = await page.content();
          for (const secret of [INITIAL, PIN]) assert.ok(!left.includes(secret) && !page.url().includes(secret));
        },
        options,
      ],
    ),
    [
      "x17_p27_a_web_pin_is_chosen_beside_it_and_sent_letter_by_letter",
      async (page) => {
        await open(page);
        assert.equal(await page.locator("#web, #hint").count(), 0, "not asked for unless wanted");
        await page.locator("#web-on").check();
        await fill(page, { web: "Blue Kettle 9", web_again: "Blue Kettle 9", hint: "what sings in the kitchen" });
        await accessible(page);
        await shot(page, "web-pin");
        await page.locator('[data-fk="go"]').click();
        await page.locator('[data-view="registered"]').waitFor();
        const [{ body }] = mock.posts("/v1/pins/register");
        assert.equal(body.web_pin, "Blue Kettle 9");
        assert.equal(body.hint, "what sings in the kitchen");
      },
    ],
    [
      "p15_the_whole_registration_works_by_keyboard_alone",
      async (page) => {
        await open(page);
        const type = async (id, value) => {
          for (let tries = 0; tries < 30; tries += 1) {
            if (await page.evaluate((wanted) => document.activeElement?.id === wanted, id)) break;
            await page.keyboard.press("Tab");
          }
          await focused(page, `#${id}`);
          await page.keyboard.type(value);
        };
        await type("number", "100012");
        await type("initial", INITIAL);
        await page.keyboard.press("Tab");
        await focused(page, '[data-fk="show:initial"]');
        await page.keyboard.press("Space");
        await until(async () => (await page.locator("#initial").getAttribute("type")) === "text", "the initial PIN is shown");
        assert.equal(await page.locator("#initial").inputValue(), INITIAL, "what was typed is still there");
        await type("pin", PIN);
        await type("again", PIN);
        await type("email", "ann@example.org");
        await type("email_again", "ann@example.org");
        await page.keyboard.press("Enter");
        await page.locator('[data-view="registered"]').waitFor();
      },
    ],
    [
      "p15_the_page_can_be_used_at_320_pixels",
      async (page) => {
        await open(page);
        await page.locator("#web-on").check();
        await fitsWidth(page);
        await accessible(page);
        await clean(page);
        await shot(page, "narrow");
      },
      { viewport: { width: 320, height: 640 } },
    ],
    [
      "p15_the_page_keeps_its_signs_in_forced_colours",
      async (page) => {
        await open(page);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#number-wrong", "Enter your customer number");
        assert.ok(await page.locator("#number-wrong .icon").isVisible());
        await shot(page, "forced");
      },
      { forcedColors: "active", colorScheme: "dark" },
    ],
    [
      "p22_a_mistyped_address_or_pin_is_noticed_before_anything_is_sent",
      async (page) => {
        await open(page);
        await fill(page, { email_again: "ann@exmaple.org" });
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#email_again-wrong", "not the same");
        await focused(page, "#email_again");
        await fill(page, { again: "9402761" });
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#again-wrong", "not the same");
        await fill(page, { pin: "94027", again: "94027" });
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#pin-wrong", "exactly 7 digits");
        await accessible(page);
        await shot(page, "noticed");
        assert.deepEqual(mock.posts("/v1/pins"), []);
      },
    ],
  ];
}

function refusalTests({ mock, open, fill, shot }) {
  const refuse = (status, code, more = {}, headers = {}) => mock.rest.set("POST /v1/pins/register", () => [...error(status, code, "the server's own words", more), headers]);
  return [
    [
      "x21_a_weak_pin_is_refused_with_its_reason_in_words",
      async (page) => {
        await open(page);
        for (const [reason, words] of [
          ["run", "count up or down"],
          ["personal", "nothing to do with you"],
          ["initial", "the initial PIN of the letter"],
          ["few_digits", "at least four different"],
        ]) {
          refuse(422, "weak_pin", { reason });
          await fill(page);
          await page.locator('[data-fk="go"]').click();
          await sees(page, "#trouble", words);
          await sees(page, "#trouble", "the PIN fields are empty again");
          await focused(page, "#trouble");
          assert.equal(await secrets(page), "", "no PIN stays after it was sent");
          assert.equal(await page.locator("#pin").getAttribute("aria-invalid"), "true");
          assert.equal(await page.locator("#email").inputValue(), "ann@example.org", "the rest need not be typed again");
        }
        await accessible(page);
        await shot(page, "weak");
      },
      { complains: /422/ },
    ],
    [
      "x17_a_weak_web_pin_and_a_telling_hint_are_refused_in_words",
      async (page) => {
        await open(page);
        await page.locator("#web-on").check();
        const web = { web: "password", web_again: "password", hint: "nine four oh two" };
        refuse(422, "weak_web_pin", { reason: "common" });
        await fill(page, web);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#trouble", "most common passwords");
        refuse(422, "hint_gives_away");
        await fill(page, web);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#trouble", "This hint gives the PIN away");
      },
      { complains: /422/ },
    ],
    [
      "p15_a_wrong_an_expired_and_an_unknown_letter_are_answered_alike",
      async (page) => {
        refuse(403, "not_registered");
        await open(page);
        await fill(page);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#trouble", "do not fit together, or the initial PIN is too old or was used");
        assert.equal(await secrets(page), "");
      },
      { complains: /403/ },
    ],
    [
      "p15_too_many_tries_are_said_with_the_time_to_wait",
      async (page) => {
        refuse(429, "too_many_tries", {}, { "retry-after": "600" });
        await open(page);
        await fill(page);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#trouble", "Try again in 10 minutes");
        refuse(500, "internal");
        await fill(page);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#trouble", "This did not work. Try again in a minute.");
      },
      { complains: /429|500/ },
    ],
  ];
}

function linkTests({ mock, open, shot }) {
  return [
    ...inBoth("p25_a_link_works_by_a_press_and_not_by_being_opened_light", "p25_a_link_works_by_a_press_and_not_by_being_opened_dark").map(([name, scheme, options]) => [
      name,
      async (page) => {
        await open(page, `#activate=${TOKEN}`);
        assert.equal(new URL(page.url()).hash, "", "the token has left the address bar");
        await sees(page, "#title", "Enable your PIN");
        await page.waitForTimeout(300);
        assert.deepEqual(mock.asked, [], "programs that look at mails open links too");
        await accessible(page);
        await clean(page);
        await shot(page, `follow-${scheme}`);
        await page.keyboard.press("Tab");
        await focused(page, '[data-fk="go"]');
        await page.keyboard.press("Enter");
        await sees(page, ".message.good", "You can use it on the telephone");
        await accessible(page);
        await shot(page, `followed-${scheme}`);
        assert.deepEqual(mock.asked.map(({ path, body }) => [path, body]), [["/v1/pins/activate", { token: TOKEN }]]);
        assert.ok(!(await page.content()).includes(TOKEN));
      },
      options,
    ]),
    [
      "p25_an_altered_or_used_link_is_refused_with_a_way_on",
      async (page) => {
        mock.rest.set("POST /v1/pins/activate", () => error(403, "link_invalid", "this link does not work"));
        await open(page, `#activate=${TOKEN}x`);
        await page.locator('[data-fk="go"]').click();
        await sees(page, "#title", "This link does not work");
        await sees(page, ".message.bad", "copy the whole line");
        await accessible(page);
        await shot(page, "invalid");
        await page.locator('[data-fk="to-forgot"]').click();
        await sees(page, "#title", "Forgot your PIN?");
      },
      { complains: /403/ },
    ],
    [
      "p25_a_link_without_its_end_is_said_to_be_incomplete",
      async (page) => {
        await open(page, "#activate=");
        await sees(page, "#title", "This link does not work");
        assert.deepEqual(mock.asked, []);
      },
    ],
    [
      "x18_p12_who_forgot_is_mailed_a_link_and_hears_the_same_whoever_asks",
      async (page) => {
        const told = [];
        for (const by of ["100012", "nobody@example.org"]) {
          await open(page);
          await page.locator('[data-fk="to-forgot"]').click();
          await sees(page, ".intro", "We cannot tell you your PIN");
          await page.locator("#by").fill(by);
          if (by === "100012") await accessible(page);
          if (by === "100012") await shot(page, "forgot");
          await page.keyboard.press("Enter");
          await page.locator('[data-view="asked"]').waitFor();
          told.push(await page.locator("main").innerText());
        }
        assert.equal(told[0], told[1]);
        assert.deepEqual(mock.posts("/v1/pins/forgot").map(({ body }) => body), [{ customer_id: "100012" }, { email: "nobody@example.org" }]);
      },
    ],
    [
      "x18_a_reset_link_lets_a_new_pin_be_chosen",
      async (page) => {
        await open(page, `#reset=${TOKEN}`);
        assert.equal(new URL(page.url()).hash, "");
        await sees(page, "#title", "Choose a new PIN");
        await accessible(page);
        await shot(page, "renew");
        await page.locator("#pin").fill(PIN);
        await page.locator("#again").fill(PIN);
        await page.keyboard.press("Enter");
        await sees(page, ".message.good", "Your old PIN does not work any more");
        assert.deepEqual(mock.asked.map(({ path, body }) => [path, body]), [["/v1/pins/renew", { token: TOKEN, pin: PIN }]]);
      },
    ],
    [
      "p16_no_pin_is_kept_by_the_browser_or_goes_into_an_address",
      async (page) => {
        await open(page, `#reset=${TOKEN}`);
        await page.locator("#pin").fill(PIN);
        await page.locator("#again").fill(PIN);
        await page.keyboard.press("Enter");
        await page.locator('[data-view="renewed"]').waitFor();
        const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state]));
        for (const secret of [PIN, TOKEN]) assert.ok(!kept.includes(secret), "a secret was kept");
        const asked = JSON.stringify(mock.asked.map(({ path }) => path));
        for (const secret of [PIN, TOKEN]) assert.ok(!asked.includes(secret), "a secret went into an address");
        await page.goBack().catch(() => {});
        await page.goForward().catch(() => {});
        assert.ok(!(await page.content()).includes(PIN));
      },
    ],
  ];
}
