// The agent desktop: first its pure modules (unit/), then in a real browser.
// Browser part one: the page against a scripted server (mock.mjs). Part two, with COUNTERSIGN_URL and COUNTERSIGN_TOKEN set: the page against a real daemon.
// Part three, with COUNTERSIGN_BIN set to the program: PINs and frames, with daemons and a mail server that it starts itself.
// `node run.mjs WORD…` runs the browser stories whose names hold a WORD. Prints one `ok name` or `not ok name` line a test and ends with `N passed, N failed`.
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { run as runUnits } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startAdminMock } from "./admin-mock.mjs";
import { liveTests } from "./live.mjs";
import { liveFrameTests, startFrameWorld } from "./live-frame.mjs";
import { livePinTests, startPinWorld } from "./live-pins.mjs";
import { startMock } from "./mock.mjs";
import { pageTests } from "./page.mjs";
import { activateTests } from "./page-activate.mjs";
import { adminTests } from "./page-admin.mjs";
import { supervisorTests } from "./supervisor.mjs";
import { startSupervisorMock } from "./supervisor-mock.mjs";

const SHOTS = fileURLToPath(new URL("./shots/", import.meta.url));
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TEST_MS = 120_000;
/** What Chromium itself reports when a story cuts the line. */
const LINE_LOST = /WebSocket connection|ERR_CONNECTION|ERR_INTERNET_DISCONNECTED/;

const executablePath = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path && existsSync(path));
const only = process.argv.slice(2);
let passed = 0;
let failed = 0;

/** Runs one story in a fresh browser context; any console error or blocked load fails it. */
async function story(browser, name, run, options = {}) {
  if (only.length > 0 && !only.some((word) => name.includes(word))) return;
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !LINE_LOST.test(message.text()) && !options.complains?.test(message.text()))
      trouble.push(message.text());
  });
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`took longer than ${options.limit ?? TEST_MS} ms`)),
        options.limit ?? TEST_MS,
      );
    });
    await Promise.race([run(page, context), late]);
    if (trouble.length > 0) throw new Error(`the page complained: ${trouble.join(" | ")}`);
    passed += 1;
    process.stdout.write(`ok ${name}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`not ok ${name}\n    ${String(error.message ?? error).replaceAll("\n", "\n    ")}\n`);
    await page.screenshot({ path: `${SHOTS}failed-${name}.png` }).catch(() => {});
  } finally {
    clearTimeout(timer);
    await context.close();
  }
}

/** The tests of the pure modules, told in the same lines. */
async function units() {
  const folder = fileURLToPath(new URL("./unit/", import.meta.url));
  const files = (await readdir(folder)).filter((name) => name.endsWith(".test.mjs")).map((name) => folder + name);
  for await (const { type, data } of runUnits({ files, concurrency: 1 })) {
    if (type === "test:pass") {
      passed += 1;
      process.stdout.write(`ok ${data.name}\n`);
    }
    if (type === "test:fail") {
      failed += 1;
      process.stdout.write(`not ok ${data.name}\n    ${data.details.error.message}\n`);
    }
  }
}

/** PINs with a daemon and a mail server of their own; where these do not start, that is one failure. */
async function pins(program) {
  const world = await startPinWorld(program).catch((error) => {
    failed += 1;
    process.stdout.write(`not ok a daemon and a mail server start for the stories of PINs\n    ${error.message}\n`);
    return null;
  });
  if (world === null) return;
  try {
    for (const [name, run, options] of livePinTests(world, SHOTS)) await story(browser, name, run, options);
  } finally {
    await world.close();
  }
}

/** The desktop inside other pages, with a daemon of its own; where that does not start, it is one failure. */
async function frames(program) {
  const world = await startFrameWorld(program).catch((error) => {
    failed += 1;
    process.stdout.write(`not ok a daemon starts for the stories of frames\n    ${error.message}\n`);
    return null;
  });
  if (world === null) return;
  try {
    for (const [name, run, options] of liveFrameTests(world, SHOTS)) await story(browser, name, run, options);
  } finally {
    await world.close();
  }
}

await mkdir(SHOTS, { recursive: true });
if (only.length === 0) await units();
if (executablePath === undefined) {
  process.stdout.write(
    `not ok a browser is installed (apt-get install chromium, or set CHROMIUM)\n${passed} passed, ${failed + 1} failed\n`,
  );
  process.exit(1);
}
const browser = await chromium.launch({ executablePath, args: ARGS });
try {
  const mock = await startMock();
  for (const [name, run, options] of pageTests(mock, SHOTS)) {
    mock.clear();
    await story(browser, name, run, options);
  }
  mock.close();
  const board = await startSupervisorMock();
  for (const [name, run, options] of supervisorTests(board, SHOTS)) {
    board.clear();
    await story(browser, name, run, options);
  }
  board.close();
  const maintenance = await startAdminMock();
  for (const [name, run, options] of [...adminTests(maintenance, SHOTS), ...activateTests(maintenance, SHOTS)]) {
    maintenance.clear();
    await story(browser, name, run, options);
  }
  maintenance.close();
  const { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: token, COUNTERSIGN_BIN: program } = process.env;
  if (url && token)
    for (const [name, run, options] of liveTests(url, token, SHOTS)) await story(browser, name, run, options);
  if (program) await pins(program);
  if (program) await frames(program);
} finally {
  await browser.close();
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
