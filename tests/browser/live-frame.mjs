// The desktop inside another page, as a contact centre embeds it: a daemon, and two hosts of which one may frame it.
// Wants COUNTERSIGN_BIN, the program.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { sees, until } from "./check.mjs";

const run = promisify(execFile);
const WITHIN_MS = 60_000;
const CONVERSATION = "6b2f0e0a-3a54-4b7f-9d0b-1c8f6f1b2a3c";
const OTHER = "7c3f1f1b-4b65-4c80-8e1c-2d907f2c3b4d";

/** A page of another origin that frames what its address names. */
async function host() {
  const server = createServer((request, response) => {
    const framed = new URL(request.url, "http://host").searchParams.get("frame") ?? "about:blank";
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><title>host</title><iframe id="app" width="1200" height="800" src="${framed.replaceAll("&", "&amp;")}"></iframe>`);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A daemon that lets one host frame the desktop. */
export async function startFrameWorld(program) {
  const folder = await mkdtemp(join(tmpdir(), "countersign-frame-"));
  const [named, foreign] = [await host(), await host()];
  const at = (name) => join(folder, name);
  await writeFile(at("countersign.toml"), settings(at, named.origin));
  await writeFile(at("customers.csv"), "customer_id,name,numbers\n100001,Ann Archer,+442079460001\n100002,Ben Baker,+442079460002\n");
  const command = async (...args) => (await run(program, [...args, "--config", at("countersign.toml")], { cwd: folder, timeout: WITHIN_MS })).stdout.trim();
  await command("customer", "import", at("customers.csv"));
  const serve = spawn(program, ["serve", "--config", at("countersign.toml")], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  serve.stderr.pipe(createWriteStream(at("log")));
  const close = async () => {
    serve.kill("SIGTERM");
    if (serve.exitCode === null) await new Promise((ended) => serve.once("exit", ended));
    named.close();
    foreign.close();
    await rm(folder, { recursive: true, force: true });
  };
  const url = await new Promise((ready, refuse) => {
    const lines = createInterface({ input: serve.stdout });
    lines.on("line", (line) => /listening http=(\S+)/.test(line) && ready(`http://${/listening http=(\S+)/.exec(line)[1]}`));
    serve.once("exit", (code) => refuse(new Error(`serve ended with ${code}`)));
  });
  return { url, named: named.origin, foreign: foreign.origin, token: (role, sub) => command("token", "--role", role, "--sub", sub), close };
}

function settings(at, framedBy) {
  return `
[http]
listen = "127.0.0.1:0"
frame_ancestors = ["${framedBy}"]
[sip]
listen = ["udp:127.0.0.1:0"]
[grpc]
listen = "127.0.0.1:0"
[sip.trunks.office]
addresses = []
trust_identity = true
[genesys]
trunk = "office"
[records]
url = "sqlite://${at("records.db")}"
[auth]
local_key_file = "${at("local.key")}"
[pin]
pepper_file = "${at("pepper.key")}"
memory_kib = 64
iterations = 1
[shutdown]
grace_s = 1
`;
}

/** @returns {[string, (page: import("playwright-core").Page) => Promise<void>, object?][]} */
export function liveFrameTests(world, shots) {
  const classify = async (conversationId, ani) => {
    const answer = await fetch(`${world.url}/v1/genesys/classify`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${await world.token("platform", "architect")}` },
      body: JSON.stringify({ conversationId, ani }),
    });
    assert.equal(answer.status, 200);
    return answer.json();
  };
  const framed = (host, path) => `${host}/?frame=${encodeURIComponent(`${world.url}${path}`)}`;
  return [
    [
      "live_b17_a_frame_beside_a_conversation_shows_its_mark_and_no_other_call",
      async (page) => {
        const told = await classify(CONVERSATION, "+442079460001");
        await classify(OTHER, "+442079460002");
        const token = await world.token("agent", "alice");
        await page.goto(framed(world.named, `/?conversation=${CONVERSATION}&interaction={{gcInteractionId}}#token=${token}`));
        const app = page.frameLocator("#app");
        await sees(app, ".link", "Connected");
        await sees(app, ".row", "");
        assert.equal(await app.locator(".row").count(), 1, "one call, not all");
        const row = app.locator(".row").first();
        assert.equal(await row.getAttribute("data-call"), told.call);
        assert.equal(await row.getAttribute("data-class"), "verified_number");
        await row.click();
        await app.locator(".badge-text").first().waitFor({ state: "visible" });
        await page.screenshot({ path: `${shots}live-frame.png` });
      },
    ],
    [
      "live_b17_p13_a_foreign_page_may_not_frame_the_desktop_and_nobody_may_frame_the_other_pages",
      async (page) => {
        for (const [host, path] of [
          [world.foreign, "/"],
          [world.named, "/supervisor"],
          [world.named, "/admin"],
        ]) {
          await page.goto(framed(host, path));
          await until(async () => page.frames().some((frame) => frame.url().startsWith("chrome-error:")), `${path} is refused`);
          assert.equal(await page.frameLocator("#app").locator("#app").count(), 0);
        }
      },
      { complains: /frame-ancestors|Refused to frame|Framing/ },
    ],
  ];
}
