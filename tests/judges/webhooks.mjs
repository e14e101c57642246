// Judges what our tests recorded of webhook platforms with the vendors' own packages: stdin has
// {"token", "twilio": [{url, fields, signature, answer}], "jambonz": [[verb, …], …]}.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(import.meta.url);
const twilio = require('twilio');
const { getExpectedTwilioSignature } = require('twilio/lib/webhooks/webhooks.js');
const { validate } = require('@jambonz/verb-specifications');

const faults = [];
const judged = { requests: 0, scripts: 0, verbs: 0 };
const { token, twilio: asked, jambonz: scripts } = JSON.parse(readFileSync(0, 'utf8'));

/// Writes a script again with the vendor's builder, element by element.
function rebuilt(xml) {
  const response = new twilio.twiml.VoiceResponse();
  const open = [response];
  const inside = xml.replace(/^<\?xml[^>]*\?><Response>/, '').replace(/<\/Response>$/, '');
  const unescaped = (text) => text.replaceAll('&quot;', '"').replaceAll('&amp;', '&');
  for (const [, close, name, attributes, empty, text] of inside.matchAll(/<(\/?)(\w+)((?: \w+="[^"]*")*)(\/?)>([^<]*)/g)) {
    if (close) { open.pop(); continue; }
    const given = Object.fromEntries([...attributes.matchAll(/ (\w+)="([^"]*)"/g)].map(([, key, value]) => [key, unescaped(value)]));
    const verb = name[0].toLowerCase() + name.slice(1);
    const parent = open.at(-1);
    if (typeof parent[verb] !== 'function') throw new Error(`${name} is no verb here`);
    const made = text ? parent[verb](given, unescaped(text)) : parent[verb](given);
    if (!empty) open.push(made);
  }
  return response.toString();
}

for (const { url, fields, signature, answer } of asked) {
  const params = Object.fromEntries(fields);
  judged.requests += 1;
  if (getExpectedTwilioSignature(token, url, params) !== signature) faults.push(`signed otherwise: ${url}`);
  if (!twilio.validateRequest(token, signature, url, params)) faults.push(`not valid: ${url}`);
  if (!answer) continue;
  judged.scripts += 1;
  try {
    if (rebuilt(answer) !== answer) faults.push(`built otherwise:\n${answer}\n${rebuilt(answer)}`);
  } catch (error) { faults.push(`${error.message}: ${answer}`); }
}
const quiet = { info() {}, debug() {}, error() {} };
for (const verbs of scripts) {
  judged.verbs += 1;
  try { validate(quiet, verbs); } catch (error) { faults.push(`${error.message}: ${JSON.stringify(verbs)}`); }
}
for (const fault of faults) console.error(fault);
console.log(JSON.stringify(judged));
process.exit(faults.length === 0 ? 0 : 1);
