// Stories of a call that may be out of date, because whoever holds it does not answer (D06).
import assert from "node:assert/strict";
import { STATES, call } from "./calls.mjs";
import { accessible, clean, fitsWidth, focused, sees, until } from "./check.mjs";

const NOTICE = "This may be out of date";
const MARK = "May be out of date";
/** Nothing comes of a key that does nothing: after this long it would have been seen. */
const SETTLE_MS = 400;

export function staleTests(mock, enter, shot, asked) {
  const modal = (id) => `dialog[data-check="${id}"]`;
  const nothingSent = async (page) => {
    await page.waitForTimeout(SETTLE_MS);
    assert.deepEqual(mock.requests, []);
  };
  /** What may still be pressed, of all that would ask something of the call. */
  const live = (page, place) =>
    page
      .locator(`${place} :is([data-action], [data-fk^="submit:"], [data-fk^="reveal:"], [data-fk^="right:"], [data-fk^="wrong:"])`)
      .evaluateAll((found) =>
        found.filter((one) => one.getAttribute("aria-disabled") !== "true").map((one) => one.outerHTML),
      );
  const lookedAt = async (page, name) => {
    for (const [screen, media, width] of [
      ["light", { colorScheme: "light", forcedColors: "none" }, 1280],
      ["dark", { colorScheme: "dark", forcedColors: "none" }, 1280],
      ["forced", { colorScheme: "light", forcedColors: "active" }, 1280],
      ["narrow", { colorScheme: "light", forcedColors: "none" }, 360],
    ]) {
      await page.emulateMedia(media);
      await page.setViewportSize({ width, height: 860 });
      await fitsWidth(page);
      await accessible(page);
      await clean(page);
      await shot(page, `${name}-${screen}`);
    }
    await page.setViewportSize({ width: 1280, height: 860 });
  };
  return [
    [
      "d06_a_call_that_may_be_out_of_date_says_so_and_takes_no_action",
      async (page) => {
        const held = STATES.bofe_five("u");
        mock.set(held);
        await enter(page);
        await page.locator(modal("u")).waitFor();
        await focused(page, '[data-question="last_transaction_date"]');
        mock.set({ ...held, stale: true });
        await sees(page, `${modal("u")} .notice[role="status"]`, NOTICE);
        await sees(page, '.row[data-call="u"]', MARK);
        await sees(page, `${modal("u")} .step`, "Wait until this call is up to date again");
        await sees(page, `${modal("u")} .say`, "I have five short questions");
        await until(
          async () => (await page.locator(`${modal("u")} .unseen[role="status"]`).textContent()).includes(NOTICE),
          "it is read out",
        );
        await focused(page, '[data-question="last_transaction_date"]');
        const [notice, body] = await page.evaluate((place) => {
          const box = (what) => document.querySelector(`${place} ${what}`).getBoundingClientRect();
          return [box(".notice").bottom, box(".check-body").top];
        }, modal("u"));
        assert.ok(notice <= body, "the notice stands above what scrolls");
        assert.ok((await page.locator(`${modal("u")} [data-fk^="reveal:"]`).count()) > 0, "the steps stay in sight");
        assert.deepEqual(await live(page, modal("u")), []);
        for (const key of ["s", "r", "w", "t", "e", "Enter"]) await page.keyboard.press(key);
        for (const button of await page.locator(`${modal("u")} [aria-disabled="true"]:visible`).all())
          await button.click({ force: true });
        await nothingSent(page);
        assert.equal(await page.locator("dialog").count(), 1, "no form opens for what cannot be sent");
        await lookedAt(page, "stale-check");
      },
    ],
    [
      "d06_a_call_on_the_page_that_may_be_out_of_date_takes_no_action_either",
      async (page) => {
        mock.set(call("new", { stale: true }));
        mock.set(call("other"));
        await enter(page);
        await sees(page, '.call .notice[role="status"]', NOTICE);
        await sees(page, '.row[data-call="new"]', MARK);
        assert.equal(await page.locator(".row-stale").count(), 1, "only that one");
        assert.deepEqual(await live(page, ".call"), []);
        await page.keyboard.press("Enter");
        await page.locator('[data-action="claim"]').click({ force: true });
        await nothingSent(page);
        await lookedAt(page, "stale-call");
        await page.locator('.row[data-call="other"]').click();
        await page.locator('article[data-call="other"]').waitFor();
        assert.equal(await page.locator(".call .notice").count(), 0);
        await page.locator('[data-action="claim"]').click();
        await until(() => asked("claim").length === 1, "the other call can be taken");
      },
    ],
    [
      "d06_a_stale_call_comes_back_by_itself",
      async (page) => {
        const held = STATES.cmg_password("p");
        mock.set(held);
        await enter(page);
        await focused(page, "#password-value");
        await page.keyboard.type("tulip");
        mock.set({ ...held, stale: true });
        await sees(page, `${modal("p")} .notice`, NOTICE);
        await page.keyboard.press("Enter");
        await nothingSent(page);
        await focused(page, "#password-value");
        assert.equal(await page.locator("#password-value").inputValue(), "tulip", "nothing typed is lost");
        mock.set(held);
        await until(async () => (await page.locator(".notice").count()) === 0, "the notice is gone");
        assert.equal(await page.locator(".row-stale").count(), 0);
        await until(
          async () => (await page.locator(`${modal("p")} .unseen[role="status"]`).textContent()).includes("up to date again"),
          "it is read out",
        );
        await page.keyboard.press("Enter");
        await until(() => asked("password").length === 1, "the password is sent once");
        assert.equal(asked("password")[0].value, "tulip");
      },
    ],
    [
      "d06_a_call_whose_node_died_goes_on_where_the_agent_was",
      async (page) => {
        const held = STATES.cmg_password("p", { version: 7 });
        mock.set(held);
        await enter(page);
        await focused(page, "#password-value");
        await page.keyboard.type("tulip");
        // The desktop comes to another node, which knows what watchers may see, and a little less of it.
        const watched = { ...held, version: 6, password: null, primary: null, actions: [], stale: true };
        Object.assign(mock, { epoch: "another-node", seq: 0 });
        mock.calls.clear();
        mock.calls.set("p", { call: watched, seq: 1 });
        mock.cut();
        await sees(page, `${modal("p")} .notice`, NOTICE);
        await focused(page, "#password-value");
        await page.keyboard.press("Enter");
        await nothingSent(page);
        assert.equal(await page.locator("#password-value").inputValue(), "tulip");
        // It takes the call over, and begins with what it knows.
        mock.set({ ...held, version: 6 });
        await until(async () => (await page.locator(".notice").count()) === 0, "the call is up to date");
        await page.keyboard.press("Enter");
        await until(() => asked("password").length === 1, "the check goes on");
      },
    ],
    [
      "d06_an_open_form_of_a_stale_call_waits",
      async (page) => {
        const held = STATES.authenticated("a", { actions: ["transfer", "wrap_up"] });
        mock.set(held);
        await enter(page);
        await sees(page, "#call-title", "Customer One");
        await page.locator('[data-action="transfer"]').click();
        await page.getByLabel("Agent, or queue:NAME").fill("queue:savings");
        mock.set({ ...held, stale: true });
        await sees(page, 'dialog.over .notice[role="status"]', NOTICE);
        await accessible(page);
        await page.keyboard.press("Enter");
        await nothingSent(page);
        mock.set(held);
        await until(async () => (await page.locator(".notice").count()) === 0, "the notice is gone");
        await page.keyboard.press("Enter");
        await until(() => asked("transfer").length === 1, "the form is sent");
        assert.equal(asked("transfer")[0].to, "queue:savings");
      },
    ],
  ];
}
