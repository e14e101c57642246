// PINs for real: a daemon, a mail server, a browser and a SIP caller. From the letter to a call that passes, and back.
// Wants COUNTERSIGN_BIN, the program; and aiosmtpd for python3 (tests/run puts it into target/python).
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { accessible, clean, sees } from "./check.mjs";

const run = promisify(execFile);
const MAIL_SERVER = fileURLToPath(new URL("../servers/smtp.py", import.meta.url));
const PYTHON = fileURLToPath(new URL("../../target/python/", import.meta.url));
const WITHIN_MS = 60_000;
const CUSTOMERS = [
  ["100001", "Ann Archer", "+442079460001"],
  ["100002", "Ben Baker", "+442079460002"],
  ["100003", "Cas Carter", "+442079460003"],
];
/** Customers without a number or a call; there so that a generation has something to do. */
const MORE = 2000;

/** A daemon of its own with a mail server beside it: files in a temporary folder, free ports. */
export async function startPinWorld(program) {
  const folder = await mkdtemp(join(tmpdir(), "countersign-pins-"));
  const children = [];
  const close = async () => {
    for (const child of children) child.kill("SIGTERM");
    await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? new Promise((ended) => child.once("exit", ended))));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await open(program, folder, children)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(program, folder, children) {
  const at = (name) => join(folder, name);
  const mails = at("mails");
  await mkdir(mails);
  const mail = await listening(
    children,
    spawn("python3", [MAIL_SERVER, "--folder", mails], { env: { ...process.env, PYTHONPATH: PYTHON }, stdio: ["pipe", "pipe", "inherit"] }),
    /port=(\d+)/,
  );
  await writeFile(at("countersign.toml"), settings(at, mail[1]));
  const rows = CUSTOMERS.map(([id, name, number]) => `${id},${name},${number}`);
  const more = Array.from({ length: MORE }, (_, index) => `${200_000 + index},Customer ${index},`);
  await writeFile(at("customers.csv"), `customer_id,name,numbers\n${[...rows, ...more].join("\n")}\n`);
  const command = async (...args) => {
    const { stdout } = await run(program, [...args, "--config", at("countersign.toml")], { cwd: folder, timeout: WITHIN_MS });
    return stdout.trim();
  };
  await command("customer", "import", at("customers.csv"));
  const serve = spawn(program, ["serve", "--config", at("countersign.toml")], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  serve.stderr.pipe(createWriteStream(at("log")));
  const [, http, sip] = await listening(children, serve, /listening http=(\S+) sip=udp:([^,\s]+)/);
  const world = {
    url: `http://${http}`,
    folder,
    command,
    token: (role, sub) => command("token", "--role", role, "--sub", sub),
    letters: null,
    /** The initial PIN of a letter, as the customer reads it. */
    letter: async (customer) => {
      world.letters ??= await print(command, at, `http://${http}/activate`);
      return world.letters.get(customer);
    },
    /** The newest link of this purpose that was mailed to an address. */
    link: (address, purpose, after = 0) => newestLink(mails, address, purpose, after),
    mails: async () => (await readdir(mails)).filter((name) => name.endsWith(".json")).length,
    /** Calls from the customer's number, pressing the asked positions of this PIN; how its check came out. */
    call: (from, pin) => place(world, command, sip, from, pin),
  };
  return world;
}

function settings(at, mailPort) {
  return `
[http]
listen = "127.0.0.1:0"
[sip]
listen = ["udp:127.0.0.1:0"]
queue_uri = "sip:queue@127.0.0.1:5070"
[sip.trunks.office]
addresses = ["127.0.0.1"]
trust_identity = true
[grpc]
listen = "127.0.0.1:0"
[records]
url = "sqlite://${at("records.db")}"
[auth]
local_key_file = "${at("local.key")}"
[pin]
pepper_file = "${at("pepper.key")}"
memory_kib = 64
iterations = 1
[outbox]
directory = "${at("outbox")}"
smtp_url = "smtp://127.0.0.1:${mailPort}"
[limits]
failures_per_prefix = 0
failure_margin_percent = 0
[shutdown]
grace_s = 1
`;
}

/** Waits until a child says that it listens. */
async function listening(children, child, pattern) {
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  let timer;
  const said = await Promise.race([
    new Promise((ready) => {
      lines.on("line", (line) => pattern.test(line) && ready(pattern.exec(line)));
    }),
    new Promise((_, refuse) => {
      child.once("exit", (code) => refuse(new Error(`${child.spawnargs.join(" ")} ended with ${code}`)));
      timer = setTimeout(() => refuse(new Error(`${child.spawnargs.join(" ")} does not listen`)), WITHIN_MS);
    }),
  ]).finally(() => clearTimeout(timer));
  // Reads on, so that the child never writes into a full pipe.
  lines.on("line", () => {});
  return said;
}

async function print(command, at, page) {
  await command("pin", "generate", "--all", "--json");
  await command("pin", "letters", "--out", at("letters"), "--format", "csv", "--url", page, "--json");
  const letters = new Map();
  for (const name of await readdir(at("letters"))) {
    const [, ...rows] = (await readFile(join(at("letters"), name), "utf8")).trim().split("\n");
    for (const row of rows) {
      const [customer, , , initial] = row.split(",");
      letters.set(customer, initial);
    }
  }
  // The printer has them; what is left on this machine is the daemon's own.
  await rm(at("letters"), { recursive: true });
  return letters;
}

/** Asks again and again: a mail or a verdict takes its time on a busy machine. */
async function eventually(what, test) {
  const last = Date.now() + WITHIN_MS;
  while (Date.now() < last) {
    const found = await test();
    if (found) return found;
    await new Promise((later) => {
      setTimeout(later, 100);
    });
  }
  throw new Error(`never: ${what}`);
}

function newestLink(mails, address, purpose, after) {
  return eventually(`a mail to ${address}`, async () => {
    const names = (await readdir(mails)).filter((name) => name.endsWith(".json")).sort().slice(after).reverse();
    for (const name of names) {
      const about = JSON.parse(await readFile(join(mails, name), "utf8"));
      if (!about.to.includes(address)) continue;
      const text = await readFile(join(mails, name.replace(/json$/, "eml")), "utf8");
      const found = new RegExp(`https?://[^\\s"<]+/activate#${purpose}=[A-Za-z0-9_.~-]+`).exec(plain(text));
      if (found) return found[0];
    }
    return null;
  });
}

/** The words of a mail, whichever way its parts are written. */
export function plain(mail) {
  const parts = mail.split(/\r?\n--[^\r\n]+/);
  return parts
    .map((part) => {
      const end = /\r?\n\r?\n/.exec(part);
      const body = end ? part.slice(end.index) : part;
      if (/content-transfer-encoding:\s*base64/i.test(part)) return Buffer.from(body, "base64").toString();
      if (!/content-transfer-encoding:\s*quoted-printable/i.test(part)) return body;
      return body.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/gi, (_, byte) => String.fromCodePoint(Number.parseInt(byte, 16)));
    })
    .join("\n");
}

async function place(world, command, sip, from, pin) {
  const said = await command("call", "--json", "--to", `sip:+448000000000@${sip}`, "--from", from, "--pin", pin).catch((error) => error.stdout ?? "");
  const report = JSON.parse(said.split("\n")[0] || "{}");
  const id = report.countersign_call ?? report.call_id;
  assert.ok(id, `the call was not placed: ${said}`);
  const token = await world.token("supervisor", "chief");
  return eventually(`the call ${id} is passed on`, async () => {
    const response = await fetch(`${world.url}/v1/calls/${id}`, { headers: { authorization: `Bearer ${token}` } });
    const call = await response.json();
    return call.media === "handed_over" || call.ended_at ? (call.pin?.result ?? "not judged") : null;
  });
}

/** @returns {[string, (page: import("playwright-core").Page) => Promise<void>, object?][]} */
export function livePinTests(world, shots) {
  const LONG = { limit: 4 * WITHIN_MS };
  const admin = async (page, role = "pin_admin", sub = "ann") => {
    await page.goto(`${world.url}/admin#token=${await world.token(role, sub)}`);
    await page.locator("#number").waitFor();
  };
  const look = async (page, customer, reason) => {
    await page.locator("#number").fill(customer);
    await page.locator("#reason").fill(reason);
    await page.keyboard.press("Enter");
    await page.locator(`.file[data-customer="${customer}"]`).waitFor();
  };
  const flags = async (page, initialized, enabled) => {
    await sees(page, '[data-flag="initialized"] dd', initialized);
    await sees(page, '[data-flag="enabled"] dd', enabled);
  };
  const register = async (page, customer, pin, email) => {
    const initial = await world.letter(customer);
    assert.match(initial ?? "", /^\d{7}$/, "the letter holds an initial PIN");
    await page.goto(`${world.url}/activate`);
    const values = { number: customer, initial, pin, again: pin, email, email_again: email };
    for (const [id, value] of Object.entries(values)) await page.locator(`#${id}`).fill(value);
    await page.locator('[data-fk="go"]').click();
  };
  const shot = (page, name) => page.screenshot({ path: `${shots}live-pins-${name}.png`, fullPage: true, caret: "initial" });
  const tools = { world, LONG, admin, look, flags, register, shot };
  return [generated(tools), wholeWay(tools), forgotten(tools), canary(tools)];
}

function generated({ world, LONG, admin, shot }) {
  return [
    "live_p02_p03_an_administrator_generates_for_all_accounts_and_sees_the_end_of_it",
    async (page) => {
      await admin(page);
      await page.locator('[data-fk="generate-all"]').click();
      await page.locator('[data-fk="ask-go"]').click();
      await sees(page, ".generation", "Every account has a PIN or a good initial PIN");
      await sees(page, '[data-estate="without_initial"] td', "0");
      await accessible(page);
      await clean(page);
      await shot(page, "generated");
      const again = JSON.parse((await world.command("pin", "generate", "--all", "--json")).split("\n").at(-1));
      assert.equal(again.created, 0, "doing it again makes none");
    },
    LONG,
  ];
}

function wholeWay({ world, LONG, admin, look, flags, register, shot }) {
  const [customer, , number] = CUSTOMERS[0];
  const [PIN, EMAIL] = ["9402716", "ann@example.org"];
  return [
    "live_p15_p25_p19_p20_p14_from_the_letter_to_a_call_that_passes_and_by_a_reset_to_one_that_fails",
    async (page) => {
      await register(page, customer, "2345678", EMAIL);
      await sees(page, "#trouble", "count up or down");
      await register(page, customer, PIN, EMAIL);
      await sees(page, ".message.good", `We have mailed a link to ${EMAIL}`);
      await shot(page, "registered");

      const link = await world.link(EMAIL, "activate");
      assert.ok(link.startsWith(world.url), link);
      assert.notEqual(await world.call(number, PIN), "correct", "a PIN that is not enabled opens nothing (P22)");
      await admin(page);
      await look(page, customer, "the caller says the PIN does not work");
      await flags(page, "Yes", "No");
      await sees(page, ".situation", "The PIN was used before the link");
      await shot(page, "yes-no");

      await page.goto(`${link.slice(0, -1)}${link.endsWith("A") ? "B" : "A"}`);
      await page.locator('[data-fk="go"]').click();
      await sees(page, "#title", "This link does not work");
      await page.goto(link);
      await page.reload();
      await page.goto("about:blank");
      await page.goto(link);
      assert.equal(new URL(page.url()).hash, "");
      await page.locator('[data-fk="go"]').click();
      await sees(page, "#title", "Your PIN is enabled");
      await accessible(page);
      await shot(page, "enabled");
      await page.goto("about:blank");
      await page.goto(link);
      await page.locator('[data-fk="go"]').click();
      await sees(page, "#title", "This link does not work");

      await admin(page);
      await look(page, customer, "is the PIN enabled now");
      await flags(page, "Yes", "Yes");
      await accessible(page);
      await clean(page);
      await shot(page, "yes-yes");
      assert.equal(await world.call(number, PIN), "correct", "the PIN of their own choice");

      await page.locator('[data-fk="do:reset"]').click();
      await page.locator("#ask-reason").fill("the caller lost the letter");
      await page.keyboard.press("Enter");
      await sees(page, ".notice", "The PIN is reset");
      await flags(page, "No", "No");
      await sees(page, ".history td", "PIN reset");
      await shot(page, "reset");
      assert.notEqual(await world.call(number, PIN), "correct", "the old PIN fails at once");
    },
    { ...LONG, complains: /40[39]|422/ },
  ];
}

function forgotten({ world, LONG, register, shot }) {
  const [customer, , number] = CUSTOMERS[1];
  const [PIN, NEXT, EMAIL] = ["9402716", "3850914", "ben@example.org"];
  return [
    "live_x18_p12_who_forgot_is_mailed_a_link_and_never_a_pin",
    async (page) => {
      await register(page, customer, PIN, EMAIL);
      await page.locator('[data-view="registered"]').waitFor();
      await page.goto(await world.link(EMAIL, "activate"));
      await page.locator('[data-fk="go"]').click();
      await sees(page, "#title", "Your PIN is enabled");
      const before = await world.mails();
      await page.goto(`${world.url}/activate#forgot`);
      await page.locator("#by").fill(EMAIL);
      await page.keyboard.press("Enter");
      await page.locator('[data-view="asked"]').waitFor();
      await page.goto(await world.link(EMAIL, "reset", before));
      await sees(page, "#title", "Choose a new PIN");
      await page.locator("#pin").fill(NEXT);
      await page.locator("#again").fill(NEXT);
      await page.keyboard.press("Enter");
      await sees(page, "#title", "Your new PIN counts");
      await shot(page, "renewed");
      assert.notEqual(await world.call(number, PIN), "correct");
      assert.equal(await world.call(number, NEXT), "correct");
    },
    LONG,
  ];
}

function canary({ world, LONG, register }) {
  const [customer, , number] = CUSTOMERS[2];
  const [PIN, WEB, EMAIL] = ["6058317", "Canary Kettle 60583", "cas@example.org"];
  return [
    "live_p16_p13_p01_a_pin_appears_in_no_mail_log_record_or_answer",
    async (page) => {
      const answers = [];
      page.on("response", (response) => void response.text().then((text) => answers.push(text), () => {}));
      const initial = await world.letter(customer);
      await page.goto(`${world.url}/activate`);
      await page.locator("#web-on").check();
      await page.locator("#web").fill(WEB);
      await page.locator("#web_again").fill(WEB);
      for (const [id, value] of Object.entries({ number: customer, initial, pin: PIN, again: PIN, email: EMAIL, email_again: EMAIL })) await page.locator(`#${id}`).fill(value);
      await page.locator('[data-fk="go"]').click();
      await page.locator('[data-view="registered"]').waitFor();
      await page.goto(await world.link(EMAIL, "activate"));
      await page.locator('[data-fk="go"]').click();
      await sees(page, "#title", "Your PIN is enabled");
      assert.equal(await world.call(number, PIN), "correct");
      const files = await everyFile(world.folder);
      assert.ok(files.some(({ name }) => name.endsWith("records.db")) && files.some(({ name }) => name.endsWith(".eml")));
      for (const [what, secret] of [["PIN", PIN], ["initial PIN", initial], ["web PIN", WEB]]) {
        const told = files.filter(({ bytes }) => bytes.includes(secret)).map(({ name }) => name);
        assert.deepEqual(told, [], `the ${what} is in a file`);
        assert.ok(answers.every((text) => !text.includes(secret)), `the ${what} is in an answer`);
      }
    },
    LONG,
  ];
}

async function everyFile(folder) {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  return Promise.all(files.map(async (name) => ({ name, bytes: await readFile(name) })));
}
