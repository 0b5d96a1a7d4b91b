// The script as a program: `node edgec_runner.mjs BUNDLE --key device.pem`.

import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Library } from "./library.mjs";
import { signed, statement } from "./receipt.mjs";
import { Refused } from "./refused.mjs";

const USAGE = `usage: edgec_runner.mjs BUNDLE --key FILE [-o receipt.json] [--nonce TEXT] [--device NAME]
                        [--threads 1] [--warmup 5] [--runs 100] [--seconds 10] [--modules FOLDER]
       edgec_runner.mjs --new-key FILE [BUNDLE ...]

Replay and time a bundle on this device, and sign for it. \`edgec check --receipt\` judges.
--modules names a folder with node_modules in it; else this folder's are used, or those beside this script.
`;
const OPTIONS = {
  key: { type: "string", default: "" },
  "new-key": { type: "string", default: "" },
  output: { type: "string", short: "o", default: "receipt.json" },
  nonce: { type: "string", default: "" },
  device: { type: "string", default: "" },
  threads: { type: "string", default: "1" },
  warmup: { type: "string", default: "5" },
  runs: { type: "string", default: "100" },
  seconds: { type: "string", default: "10" },
  modules: { type: "string", default: "" },
  help: { type: "boolean", short: "h", default: false },
};

async function program() {
  const { values, positionals } = parsed();
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (positionals.length > 1 || (!positionals.length && !values["new-key"])) {
    throw new Refused(`name one bundle, or make a key with --new-key\n${USAGE}`);
  }
  if (values["new-key"]) {
    say(`wrote ${values["new-key"]} and ${newKey(values["new-key"])}`);
  }
  if (!positionals.length) {
    return;
  }
  const key = privateKey(values.key || values["new-key"]);
  const asked = { device: values.device, nonce: values.nonce };
  for (const [name, least] of Object.entries({ threads: 0, warmup: 0, runs: 1, seconds: 0 })) {
    asked[name] = Number(values[name]);
    if (!(asked[name] >= least && (name === "seconds" || Number.isInteger(asked[name])))) {
      throw new Refused(`--${name} ${values[name]} is no ${name === "seconds" ? "" : "whole "}number from ${least} on`);
    }
  }
  const folders = [values.modules || process.cwd(), dirname(fileURLToPath(import.meta.url))].map((each) => resolve(each));
  const said = await statement(resolve(positionals[0]), asked, () => Library.load(folders));
  writeWhole(values.output, signed(said, key));
  for (const line of summary(said.predicate)) {
    say(line);
  }
  say(`wrote ${values.output}`);
}

function parsed() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Refused(`${error.message}\n${USAGE}`);
  }
}

/** What a person at the device wants to know. */
function* summary({ golden, latency }) {
  for (const { name, exact, sqnr_db } of golden.outputs) {
    const far = exact ? "bit-identical to golden" : sqnr_db === null ? "differs" : `${sqnr_db.toFixed(1)} dB from golden`;
    yield `${name}: ${far}`;
  }
  const sorted = [...latency.ns].sort((a, b) => a - b);
  const at = (share) => (quantile(sorted, share) / 1e6).toPrecision(4);
  const threads = ["as many threads as fit", "one thread"][latency.threads] ?? `${latency.threads} threads`;
  yield `${sorted.length} runs, ${threads}: median ${at(0.5)} ms, 95% within ${at(0.95)} ms`;
}

/** Between the two neighbours, as numpy's percentile. */
function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/** Write a file; one that is there stays as it is until the new one is whole. */
function writeWhole(file, text) {
  const partial = join(dirname(file), `.${basename(file)}.${process.pid}`);
  try {
    writeFileSync(partial, text);
    renameSync(partial, file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw new Refused(`${file} cannot be written: ${error.code}`);
  }
}

/** Write a new key that only its owner reads; its public half goes beside it. */
function newKey(file) {
  const { privateKey: secret, publicKey: open } = generateKeyPairSync("ed25519");
  const beside = `${file}.pub`;
  const there = [file, beside].find(existsSync); // before either is written: a half alone is of no use
  if (there !== undefined) {
    throw new Refused(`${there} exists`);
  }
  writeFileSync(file, secret.export({ type: "pkcs8", format: "pem" }), { flag: "wx", mode: 0o600 });
  writeFileSync(beside, open.export({ type: "spki", format: "pem" }), { flag: "wx" });
  return beside;
}

/** The key in a file, else in the environment. */
function privateKey(file) {
  const pem = file ? readFileSync(file, "utf8") : process.env.EDGEC_SIGNING_KEY;
  if (!pem) {
    throw new Refused("no --key is given, and $EDGEC_SIGNING_KEY is not set: make one with --new-key");
  }
  let key;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new Refused(`${file || "$EDGEC_SIGNING_KEY"} is no unencrypted private key in PEM`);
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new Refused(`${file || "$EDGEC_SIGNING_KEY"} is no Ed25519 key`);
  }
  return key;
}

function say(text) {
  process.stderr.write(`edgec runner: ${text}\n`);
}

try {
  await program();
} catch (error) {
  const mendable = error instanceof Refused || error?.syscall !== undefined;
  say(`error: ${mendable ? error.message : (error?.stack ?? error)}`);
  process.exitCode = 2;
}
