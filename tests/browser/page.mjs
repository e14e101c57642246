// The page's stories against the scripted server.
import assert from "node:assert/strict";
import { STATES, call } from "./calls.mjs";
import { accessible, clean, fitsWidth, sees, show, until } from "./check.mjs";
import { POLICY } from "./mock.mjs";
import { callTests } from "./page-call.mjs";
import { checkTests } from "./page-check.mjs";
import { deskTests, linkTests } from "./page-desk.mjs";
import { staleTests } from "./page-stale.mjs";

/** @returns {[string, (page: import("playwright-core").Page, context: import("playwright-core").BrowserContext) => Promise<void>, object?][]} */
export function pageTests(mock, shots) {
  const enter = async (page, token = "good") => {
    await page.goto(`${mock.url}/#token=${token}`);
    await sees(page, ".link", "Connected");
  };
  const shot = (page, name) => page.screenshot({ path: `${shots}${name}.png`, caret: "initial" });
  const asked = (type) => mock.requests.filter((request) => request.type === type);
  return [
    ...stateTests(mock, enter, shot),
    ...signInTests(mock, enter, shot),
    ...callTests(mock, enter, shot, asked, until),
    ...checkTests(mock, enter, shot, asked, until),
    ...deskTests(mock, enter, shot, asked, until),
    ...linkTests(mock, enter, shot, asked, until),
    ...staleTests(mock, enter, shot, asked),
  ];
}

/** Every main state, in both schemes: the right badge, no accessibility violation, a picture. */
function stateTests(mock, enter, shot) {
  const badges = {
    authenticated: "Authenticated",
    partially_verified: "partially verified",
    retail_start: "partially verified",
    bofe_three: "partially verified",
    blocked: "Blocked",
    reset_required: "Reset required",
    system_unavailable: "Check unavailable",
    congratulated: "Authenticated",
    compensated: "Authenticated",
    enrolment: "Authenticated",
    unblock: "Authenticated",
    ended: "Authenticated",
  };
  return Object.entries(STATES).map(([name, make]) => [
    `state_${name}_light_dark_and_narrow`,
    async (page) => {
      const row = make();
      mock.set(row);
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
      await show(page, row.id);
      const modal = row.agent === "alice" && row.authentication !== "authenticated" && !row.ended_at;
      const place = modal ? `dialog[data-check="${row.id}"]` : `article[data-call="${row.id}"]`;
      await sees(page, `${place} .badge-text`, badges[name] ?? "NOT Authenticated");
      await page.locator(`${place} [data-badge] .icon`).waitFor();
      assert.equal(await page.locator("dialog.check").count(), modal ? 1 : 0);
      await page.mouse.move(5, 5);
      for (const [screen, media, width] of [
        ["light", "light", 1280],
        ["dark", "dark", 1280],
        ["narrow", "light", 360],
      ]) {
        await page.emulateMedia({ colorScheme: media });
        await page.setViewportSize({ width, height: width === 360 ? 740 : 860 });
        await fitsWidth(page);
        await accessible(page);
        await clean(page);
        await shot(page, `${name}-${screen}`);
      }
    },
  ]);
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
        await sees(page, "#call-title", "Customer One");
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
        await sees(page, "#call-title", "Customer One");
        await page.getByRole("button", { name: "Sign out" }).click();
        await sees(page, "h1", "Sign in");
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
        assert.ok(!(await page.content()).includes("Customer One"));
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
