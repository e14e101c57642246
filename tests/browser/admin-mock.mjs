// A stand-in for the daemon as PIN maintenance sees it: the pages for administrators and for customers, and the REST routes behind them.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ASSETS = fileURLToPath(new URL("../../src/web/assets/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
const POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'; require-trusted-types-for 'script'";
const PAGES = { "/admin": "admin.html", "/activate": "activate.html" };

const NOW = Date.now();
const HOUR = 3600;
export const at = (secondsAgo) => new Date(NOW - secondsAgo * 1000).toISOString();

/** A token as the page reads one; nobody verifies it here. */
export function token(role, sub = `${role}-1`) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ sub, roles: [role] })}.x`;
}

/** Each situation in the words of the daemon: flags, what it is called, what to do, what is offered. */
export const SITUATIONS = {
  no_initial: ["No/No", "No initial PIN yet", "Generate an initial PIN. It goes out by letter, and the customer chooses a PIN of their own with it.", ["generate"]],
  letter_to_print: ["No/No", "The letter waits to be printed", "Nothing is to be done here: have the waiting letters printed. Nobody of us can read the PIN in it.", []],
  letter_sent: ["No/No", "The letter is out", "Ask the customer to register with the PIN in the letter. It opens the registration only, no call. If the letter is lost, reset.", ["reset"]],
  initial_expired: ["No/No", "The initial PIN is too old", "Reset: a new initial PIN goes out by letter.", ["reset"]],
  initial_spent: ["No/No", "The initial PIN was tried too often", "Somebody tried wrong PINs at the registration. Ask the customer whether it was them, then reset: a new initial PIN goes out by letter.", ["reset"]],
  reset_unused: ["No/No", "Reset, and not registered again", "The PIN from before the reset is void and stays so. Ask the customer to register again with the PIN in the newest letter; if it is lost, reset once more.", ["reset"]],
  address_refused: ["Yes/No", "The e-mail address does not exist", "The mail server knows no such address; it is probably mistyped. Ask for the right one and change it in the customer record: that resets the PIN, and a letter goes out.", ["reset"]],
  mail_not_taken: ["Yes/No", "The mail has not left yet", "Our mail server did not take the mail yet. If many accounts stand here, tell the webmaster; if it is this one alone, resend.", ["resend", "reset"]],
  link_not_followed: ["Yes/No", "The link was not followed", "Ask the customer to look for our mail, in the spam folder too, and to open its link. If it is gone or too old, resend.", ["resend", "reset"]],
  tried_before_link: ["Yes/No", "The PIN was used before the link", "The PIN is right or wrong, but it does not count yet: the customer has to open the link in our mail first. If the mail is gone, resend.", ["resend", "reset"]],
  enabled: ["Yes/Yes", "Registered and enabled", "Nothing is wrong with the account. If the customer forgot the PIN, have them use the page for that, or reset. A web PIN is case sensitive: have Caps Lock checked.", ["hint", "reset"]],
  impossible: ["No/Yes", "Enabled without a PIN: this cannot be", "Reset. If a second account stands like this, tell your vendor: a record was changed from outside.", ["reset"]],
};

export function situation(code, actions) {
  const [flags, title, recommendation, offered] = SITUATIONS[code];
  return { code, flags, title, recommendation, actions: actions ?? offered };
}

/** A PIN file in one situation; `over` replaces any of it. */
export function file(id, code, over = {}) {
  const [flags] = SITUATIONS[code];
  const [initialized, enabled] = flags.split("/").map((word) => word === "Yes");
  const chosen = initialized ? at(52 * HOUR) : null;
  return {
    customer: { id, name: `Customer ${id}`, language: "en", email: code === "no_initial" ? null : "a…@example.org" },
    credentials: initialized ? ["voice_pin", "web_pin"] : [],
    flags: { initialized, enabled },
    situation: situation(code),
    standing: "open",
    dates: {
      issued: code === "no_initial" ? null : at(9 * 24 * HOUR),
      expires: code === "no_initial" ? null : at(-5 * 24 * HOUR),
      printed: ["no_initial", "letter_to_print"].includes(code) ? null : at(8 * 24 * HOUR),
      registered: chosen,
      mailed: chosen,
      activated: enabled ? at(51 * HOUR) : null,
      reset: null,
    },
    counters: { failed_calls: 1, wrong_entries: 2, initial_tries: 0, abandoned: 0 },
    hint: { set: enabled, may_be_told: enabled },
    unblock: { second_person: false, asked_by: null, asked_at: null },
    history: [
      { at: at(30), actor: "pin_admin-1", what: "pin_file_viewed", detail: { reason: "the caller forgot the PIN" } },
      ...(enabled ? [{ at: at(51 * HOUR), actor: "customer", what: "pin_activated", detail: {} }] : []),
      ...(initialized ? [{ at: at(52 * HOUR), actor: "customer", what: "pin_registered", detail: { pin_version: 2 } }] : []),
      { at: at(8 * 24 * HOUR), actor: "countersign", what: "letters_printed", detail: { letters: 1204 } },
    ],
    ...over,
  };
}

/** What `GET /v1/pins` answers on an ordinary morning. */
export function pins(over = {}) {
  const { estate, ...rest } = over;
  return {
    estate: {
      total: 1_204_311,
      without_initial: 24_309,
      waiting: 180_441,
      expired: 12_004,
      yes_no: 4_377,
      yes_yes: 983_180,
      no_yes_repaired: 0,
      blocked: 212,
      reset_required: 96,
      stuck: 3,
      stuck_refused: 1,
      stuck_waiting: 0,
      ...estate,
    },
    stuck_after_h: 24,
    alerts: [],
    generation: null,
    ...rest,
  };
}

export const STUCK = [
  { customer: "100007", name: "Customer Seven", since: at(76 * HOUR), situation: situation("address_refused") },
  { customer: "100012", name: "Customer Twelve", since: at(52 * HOUR), situation: situation("link_not_followed") },
  { customer: "100031", name: "Customer Thirty-One", since: at(27 * HOUR), situation: situation("tried_before_link") },
];

/** Starts on a free port and returns the levers of the test. */
export async function startAdminMock() {
  const mock = {
    url: "",
    /** PIN files by account. */
    files: new Map(),
    /** Answers by method and path, over the ordinary ones: `[status, body, headers]`, or what makes them of the request's body. */
    rest: new Map(),
    /** What was asked, in order: method, path with query, body. */
    asked: [],
    pins: pins(),
    stuck: STUCK,
    posts: (path) => mock.asked.filter((one) => one.method === "POST" && one.path.startsWith(path)),
    clear() {
      mock.files.clear();
      mock.rest.clear();
      Object.assign(mock, { asked: [], pins: pins(), stuck: STUCK });
    },
    close: () => http.close(),
  };
  const http = createServer((request, response) => void serve(mock, request, response));
  await new Promise((ready) => {
    http.listen(0, "127.0.0.1", ready);
  });
  mock.url = `http://127.0.0.1:${http.address().port}`;
  return mock;
}

async function serve(mock, request, response) {
  const url = new URL(request.url, "http://mock");
  if (url.pathname.startsWith("/v1/")) return rest(mock, request, response, url);
  const name = PAGES[url.pathname] ?? normalize(url.pathname.replace(/^\/assets\//, ""));
  try {
    if (name.startsWith("..") || name.startsWith("/")) throw new Error("not an asset");
    const body = await readFile(join(ASSETS, name));
    response.writeHead(200, {
      "content-type": TYPES[extname(name)] ?? "application/octet-stream",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
  return undefined;
}

async function rest(mock, request, response, url) {
  let text = "";
  for await (const piece of request) text += piece;
  const body = text === "" ? null : JSON.parse(text);
  mock.asked.push({ method: request.method, path: url.pathname + url.search, body });
  const own = mock.rest.get(`${request.method} ${url.pathname}`);
  const [status, said, headers] = (typeof own === "function" ? await own(body) : own) ?? answer(mock, request, url, body);
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(said));
}

export const error = (status, code, message, more = {}) => [status, { error: { code, message, ...more } }];

function answer(mock, request, { pathname, searchParams }, body) {
  if (["/v1/pins/register", "/v1/pins/activate", "/v1/pins/forgot", "/v1/pins/renew"].includes(pathname)) return customers(pathname);
  if (!request.headers.authorization?.startsWith("Bearer ")) return error(401, "unauthenticated", "the token has expired; sign in again");
  if (pathname === "/v1/pins") return [200, mock.pins];
  if (pathname === "/v1/pins/stuck") return [200, { stuck: mock.stuck }];
  if (pathname === "/v1/pins:generate") return [202, { generation: mock.pins.generation }];
  if (pathname === "/v1/pins:stop") return [200, {}];
  const [, id, what] = /^\/v1\/customers\/([^/]+)\/pin(?::(\w+))?$/.exec(pathname) ?? [];
  const found = mock.files.get(decodeURIComponent(id ?? ""));
  if (!found) return error(404, "no_such_customer", "there is no such customer");
  const reason = what === undefined ? searchParams.get("reason") : body?.reason;
  if (!reason || reason.length < 3) return error(400, "reason_needed", "say why, in 3 to 200 characters");
  if (what === "hint") return [200, { hint: "the street where the blue house stood" }];
  if (what === "reset") mock.files.set(id, file(id, "letter_to_print", { history: [{ at: at(0), actor: "pin_admin-1", what: "pin_reset", detail: { reason } }, ...found.history] }));
  return [200, mock.files.get(id)];
}

function customers(pathname) {
  if (pathname === "/v1/pins/register") return [200, { registered: true, activation: "mailed" }];
  if (pathname === "/v1/pins/activate") return [200, { activated: true }];
  if (pathname === "/v1/pins/renew") return [200, { renewed: true }];
  return [202, { accepted: true }];
}
