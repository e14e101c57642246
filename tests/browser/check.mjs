// Checks that both parts share: accessibility by axe-core, and what must never be in the page.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** No violation of WCAG 2.2 A or AA that axe can find. The script runs beside the page's own policy, not through it. */
export async function accessible(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(
    (rules) => globalThis.axe.run(document, { runOnly: rules, resultTypes: ["violations"] }),
    RULES,
  );
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ html, failureSummary }) =>
        `${id}: ${html.slice(0, 140)} ${failureSummary.replaceAll("\n", " ").slice(0, 220)}`,
    ),
  );
  assert.deepEqual(found, []);
}

/** No inline handler, script or style, and no control smaller than 24 by 24. */
export async function clean(page) {
  const found = await page.evaluate(() => {
    const all = [...document.querySelectorAll("*")];
    const inline = all
      .filter((node) => node.getAttributeNames().some((name) => name.startsWith("on") || name === "style"))
      .map((node) => node.outerHTML.slice(0, 100));
    const scripts = [...document.querySelectorAll("script:not([src]), style")].map((node) =>
      node.outerHTML.slice(0, 100),
    );
    const foreign = performance
      .getEntriesByType("resource")
      .map(({ name }) => name)
      .filter((name) => !name.startsWith(location.origin));
    const small = [...document.querySelectorAll("button, input, select, textarea, summary, a")]
      .map((node) => [node, node.getBoundingClientRect()])
      .filter(([, { width, height }]) => width > 0 && (width < 24 || height < 24))
      .map(([node]) => node.outerHTML.slice(0, 100));
    return { inline, scripts, foreign, small };
  });
  assert.deepEqual(found, { inline: [], scripts: [], foreign: [], small: [] });
}

/** Nothing is cut off or pushed out sideways. */
export async function fitsWidth(page) {
  const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(wide <= inner, `the page is ${wide} px wide in a window of ${inner} px`);
}

/** Waits for visible text, and says which one was missing. */
export async function sees(page, selector, text) {
  await page
    .locator(selector)
    .filter({ hasText: text })
    .first()
    .waitFor({ state: "visible" })
    .catch(() => {
      throw new Error(`never saw “${text}” in ${selector}`);
    });
}

/** A frame, a repaint, a reconnect: on a busy machine each may take seconds. */
const WITHIN_MS = 15_000;

/** Asks again and again: nothing that comes by a frame or a repaint is there at once. */
export async function until(test, what) {
  const last = Date.now() + WITHIN_MS;
  while (Date.now() < last) {
    if (await test()) return;
    await new Promise((later) => {
      setTimeout(later, 25);
    });
  }
  throw new Error(`never: ${what}`);
}

/** Opens a call from the list; a check that opened by itself for another is put aside first. */
export async function show(page, id) {
  const row = page.locator(`.row[data-call="${id}"]`);
  await row.waitFor();
  if ((await row.getAttribute("aria-current")) !== null) return;
  if ((await page.locator("dialog.check").count()) > 0) {
    await page.keyboard.press("Escape");
    await page.locator("dialog.check").waitFor({ state: "detached" });
  }
  await row.click();
  await page.locator(`article[data-call="${id}"]`).waitFor();
}

/** Waits until the focus is on what the selector names. */
export function focused(page, selector) {
  return until(
    () => page.evaluate((wanted) => document.activeElement?.matches(wanted) === true, selector),
    `the focus is on ${selector}`,
  );
}
