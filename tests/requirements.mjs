// Which test holds which row: reads what the tests said and writes docs/requirements.md.
//
//   node tests/requirements.mjs LOG…            writes the page from the output of `cargo test` and of tests/browser/run.mjs
//   node tests/requirements.mjs --compare LOG…  the same, but the page must already say so (CI)
//   node tests/requirements.mjs --partial LOG…  rows without a test are let pass and nothing is written (a run without the browser)
//   node tests/requirements.mjs --draft         writes the page from the names in the sources alone; a run then compares
//
// A test holds the rows its name begins with: `c33_c34_…`, `c35_to_c40_…`, `live_b05_…`. Exit status 1: a row without a test that passed, a row with one that failed, a name with a row
// that does not exist, or a page that says something else.
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/requirements.md";
const CATALOGUE = "tests/requirements.tsv";
/** Its samples look like tests. */
const OWN_TESTS = "tests/requirements.test.mjs";
const SECTIONS = [
  ["C", "The child-maintenance check (profile `cmg`)"],
  ["B", "The bank's back office (profile `bofe`)"],
  ["O", "Courtesy on outbound calls"],
  ["P", "Making and maintaining PINs"],
  ["X", "Where the sources contradict each other or leave a hole"],
];
/** Rows of another catalogue that a name may carry: the design card. */
const ELSEWHERE = { D: 8 };
const ID = /^[cboxpd]\d\d$/;

/** The rows that a test's name begins with. */
export function rowsOf(name) {
  const words = name.replace(/^live_/, "").split("_");
  const rows = [];
  while (words.length > 0 && ID.test(words[0])) {
    const row = words.shift().toUpperCase();
    rows.push(row);
    if (words[0] === "to" && ID.test(words[1] ?? "")) {
      const last = words.splice(0, 2)[1].toUpperCase();
      for (let number = Number(row.slice(1)) + 1; number <= Number(last.slice(1)); number += 1)
        rows.push(row[0] + String(number).padStart(2, "0"));
    }
  }
  return rows;
}

/** Test name → passed | failed | ignored, from the lines of a run. One failure outweighs everything. */
export function resultsIn(text) {
  const words = { ok: "passed", FAILED: "failed", ignored: "ignored" };
  const weight = ["ignored", "passed", "failed"];
  const results = new Map();
  const add = (name, result) => {
    if (weight.indexOf(result) >= weight.indexOf(results.get(name))) results.set(name, result);
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
  for (const line of text.replaceAll(/\u001b\[[0-9;]*m/g, "").split("\n")) {
    const cargo = /test (\S+)(?: - should panic)? \.\.\. (?:.*\b)?(ok|FAILED|ignored)\b/.exec(line);
    const browser = /^(ok|not ok) ([a-z0-9_]+)$/.exec(line);
    if (cargo) add(cargo[1].split("::").at(-1), words[cargo[2]]);
    if (browser) add(browser[2], browser[1] === "ok" ? "passed" : "failed");
  }
  return results;
}

/** Every test in the sources: name → file. */
function sources() {
  const found = new Map();
  const files = ["src", "tests"].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true }).map((file) => `${folder}/${file}`),
  );
  for (const file of files.sort()) {
    if (file.includes("node_modules") || file === OWN_TESTS || !/\.(rs|mjs)$/.test(file)) continue;
    const text = readFileSync(ROOT + file, "utf8");
    const names = file.endsWith(".rs") ? /\bfn ([a-z0-9_]+)\s*[(<]/g : /["'`]([a-z0-9]+_[a-z0-9_]+)["'`]/g;
    for (const [, name] of text.matchAll(names)) if (!found.has(name)) found.set(name, file);
  }
  return found;
}

/** The catalogue: row → its rule and what shows it. */
function catalogue() {
  const lines = readFileSync(ROOT + CATALOGUE, "utf8").trim().split("\n").slice(1);
  return new Map(
    lines.map((line) => {
      const [row, rule, shown] = line.split("\t");
      return [row, { rule, shown }];
    }),
  );
}

/** Row → its tests, and what is wrong. */
export function judge(rows, results, { partial = false } = {}) {
  const held = new Map([...rows.keys()].map((row) => [row, []]));
  const wrong = [];
  for (const [name, result] of [...results].sort(([a], [b]) => (a < b ? -1 : 1)))
    for (const row of rowsOf(name)) {
      const known = held.has(row) || Number(row.slice(1)) <= (ELSEWHERE[row[0]] ?? 0);
      if (!known) wrong.push(`${name}: there is no row ${row}`);
      held.get(row)?.push({ name, result });
      if (result === "failed" && held.has(row)) wrong.push(`${row}: ${name} failed`);
    }
  for (const [row, tests] of held)
    if (!partial && !tests.some(({ result }) => result === "passed")) wrong.push(`${row}: no test holds it`);
  return { held, wrong };
}

function verdict(tests) {
  if (tests.some(({ result }) => result === "failed")) return "**failed**";
  return tests.some(({ result }) => result === "passed") ? "held" : "**no test**";
}

/** The page: no times and no order but the catalogue's and the alphabet's, so that two runs agree. */
export function page(rows, held, files) {
  const kept = [...held.values()].filter((tests) => verdict(tests) === "held").length;
  const names = new Set([...held.values()].flat().map(({ name }) => name));
  const lines = [
    "# Requirements and the tests that hold them",
    "",
    `${kept} of ${rows.size} rows are held, by ${names.size} tests. \`tests/run\` writes this page from what the tests said; CI fails when it says something else.`,
    `A test holds the rows that its name begins with. The rules are in \`${CATALOGUE}\`.`,
  ];
  for (const [letter, title] of SECTIONS) {
    lines.push("", `## ${title}`, "", "| row | rule | shown by | tests | result |", "| --- | --- | --- | --- | --- |");
    for (const [row, { rule, shown }] of rows) {
      if (row[0] !== letter) continue;
      const tests = held.get(row);
      const cells = tests.map(({ name, result }) => {
        const link = files.has(name) ? `[${name}](../${files.get(name)})` : name;
        return result === "passed" ? link : `${link} (${result})`;
      });
      lines.push(`| ${row} | ${rule} | ${shown} | ${cells.join("<br>")} | ${verdict(tests)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function main(words) {
  const options = new Set(words.filter((word) => word.startsWith("--")));
  const logs = words.filter((word) => !word.startsWith("--"));
  const rows = catalogue();
  const files = sources();
  const results = options.has("--draft")
    ? new Map([...files.keys()].filter((name) => rowsOf(name).length > 0).map((name) => [name, "passed"]))
    : resultsIn(logs.map((log) => readFileSync(log, "utf8")).join("\n"));
  const partial = options.has("--partial");
  const { held, wrong } = judge(rows, results, { partial });
  const text = page(rows, held, files);
  const before = existsSync(ROOT + PAGE) ? readFileSync(ROOT + PAGE, "utf8") : "";
  if (options.has("--compare") && !partial && text !== before) {
    wrong.push(`${PAGE} says something else than this run: run tests/run and commit what it writes`);
    for (const [here, there, only] of [
      [text, before, "only the run has"],
      [before, text, "only the page has"],
    ])
      for (const [link] of here.matchAll(/\[[a-z0-9_]+\]/g)) if (!there.includes(link)) wrong.push(`${only} ${link}`);
  }
  if (!options.has("--compare") && !partial) writeFileSync(ROOT + PAGE, text);
  for (const sentence of wrong) console.log(sentence);
  const kept = [...held.values()].filter((tests) => verdict(tests) === "held").length;
  console.log(`${kept} of ${rows.size} rows held`);
  return wrong.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exit(main(process.argv.slice(2)));
