// The page against a real daemon whose simulated callers are calling (for example `countersign demo`).
import assert from "node:assert/strict";
import { accessible, clean, sees, until } from "./check.mjs";

const CLASSES = ["app_authenticated", "verified_number", "unverified"];
const WITHIN_MS = 90_000;

/** @returns {[string, (page: import("playwright-core").Page) => Promise<void>, object?][]} */
export function liveTests(url, token, shots) {
  const enter = async (page) => {
    await page.goto(`${url}/#token=${token}`);
    await sees(page, ".link", "Connected");
    assert.ok(!page.url().includes(token), "the token stays in the address bar");
  };
  return [
    [
      "live_b03_calls_of_all_three_classes_are_seen_as_they_arrive",
      async (page) => {
        await enter(page);
        const until = Date.now() + WITHIN_MS;
        const seen = new Set();
        while (seen.size < CLASSES.length && Date.now() < until) {
          for (const kind of CLASSES.filter((one) => !seen.has(one))) {
            const row = page.locator(`.row[data-class="${kind}"]`).first();
            if (!(await row.isVisible().catch(() => false))) continue;
            const opened = await row.click({ timeout: 1_000 }).then(
              () => true,
              () => false,
            );
            if (
              !opened ||
              !(await page
                .locator("#call-title")
                .isVisible()
                .catch(() => false))
            )
              continue;
            await page.waitForTimeout(200);
            await page.screenshot({ path: `${shots}live-${kind}.png` });
            seen.add(kind);
          }
          await page.waitForTimeout(100);
        }
        assert.deepEqual([...seen].sort(), [...CLASSES].sort());
        await accessible(page);
        await clean(page);
      },
      { limit: WITHIN_MS + 30_000 },
    ],
    [
      "live_b05_a_call_from_the_app_is_shown_as_authenticated_without_further_action",
      async (page) => {
        await enter(page);
        const row = page.locator('.row[data-class="app_authenticated"][data-authentication="authenticated"]').first();
        await row.waitFor({ state: "visible", timeout: WITHIN_MS });
        // Rows move while calls come and go: the call that is looked at is named, and waited for.
        const call = await row.getAttribute("data-call");
        const shown = () => page.locator(".row[aria-current]").first().getAttribute("data-call");
        await until(async () => {
          await page.locator(`.row[data-call="${call}"]`).click({ timeout: 2_000 }).catch(() => {});
          return (await shown().catch(() => null)) === call;
        }, "the call from the app is shown");
        await sees(page, ".badge-text", "Authenticated");
        await until(async () => (await page.locator(".questions").count()) === 0, "nothing is asked");
      },
      { limit: WITHIN_MS + 30_000 },
    ],
    [
      "live_x10_a_pin_check_shows_progress_and_never_a_digit",
      async (page) => {
        await enter(page);
        const frames = [];
        page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => frames.push(String(payload))));
        await page.reload();
        await sees(page, ".link", "Connected");
        const until = Date.now() + WITHIN_MS;
        let progress = "";
        for (let turn = 0; progress === "" && Date.now() < until; turn += 1) {
          const rows = page.locator('.row[data-authentication="in_progress"]');
          const count = await rows.count();
          if (count > 0)
            await rows
              .nth(turn % count)
              .click({ timeout: 1_000 })
              .catch(() => {});
          await page.waitForTimeout(100);
          if (
            await page
              .locator(".pin .progress")
              .isVisible()
              .catch(() => false)
          )
            progress = await page
              .locator(".pin .progress")
              .innerText({ timeout: 1_000 })
              .catch(() => "");
        }
        assert.match(progress, /digit|PIN/);
        await page.screenshot({ path: `${shots}live-pin.png` });
        for (const text of frames)
          for (const pin of text.matchAll(/"pin":\{[^}]*\}/g)) {
            const { result, positions, ...counts } = JSON.parse(pin[0].slice(6));
            assert.ok(
              [null, "correct", "incorrect", "abandoned", "unavailable"].includes(result) && positions.length <= 2,
              pin[0],
            );
            assert.deepEqual(Object.keys(counts).sort(), ["attempt", "attempts_allowed", "entered", "needed"]);
          }
      },
      { limit: WITHIN_MS + 30_000 },
    ],
    [
      "live_dark_scheme_is_accessible_too",
      async (page) => {
        await enter(page);
        await page.locator(".row").first().waitFor({ state: "visible", timeout: WITHIN_MS });
        await accessible(page);
        await page.screenshot({ path: `${shots}live-dark.png` });
      },
      { colorScheme: "dark", limit: WITHIN_MS + 30_000 },
    ],
    [
      "live_a_wrong_token_is_refused_with_words",
      async (page) => {
        await page.goto(`${url}/#token=not.a.token`);
        await sees(page, ".notice.bad", "not valid or has expired");
      },
    ],
  ];
}
