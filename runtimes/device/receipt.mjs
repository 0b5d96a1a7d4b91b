// A device's answer: its bundle checked byte by byte, replayed and timed; what came of it, signed. See receipt.py: the
// same in-toto statement in the same DSSE envelope.

import { createHash, createPublicKey, sign } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { cpus, hostname, machine, release, type } from "node:os";
import { basename, isAbsolute, join } from "node:path";

import { replayed } from "./golden.mjs";
import { stepsOf } from "./npz.mjs";
import { Refused } from "./refused.mjs";

const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const FEWEST = 10; // runs, however long they take
const MEMORY_RUNS = 2;

/**
 * The manifest of a bundle whose every file has the sha256 that it lists, and the digest of the manifest.
 *
 * @param {string} folder
 */
export function checkedPayload(folder) {
  const file = join(folder, "manifest.json");
  if (!existsSync(file)) {
    throw new Refused(`${folder} is no bundle: manifest.json is missing`);
  }
  const raw = readFileSync(file);
  let manifest;
  try {
    const values = JSON.parse(raw.toString("utf8"));
    manifest = values.additional_metadata?.edgec ?? values;
    Object.values(manifest.files).forEach((entry) => entry.sha256.toString());
  } catch {
    throw new Refused(`${file} is not a bundle's manifest`);
  }
  for (const [name, entry] of Object.entries(manifest.files)) {
    if (isAbsolute(name) || name.split("/").includes("..")) {
      throw new Refused(`manifest.json lists '${name}', which is not inside the bundle`);
    }
    const path = join(folder, name);
    if (!existsSync(path) || !statSync(path).isFile()) {
      throw new Refused(`${name} is listed in manifest.json, but missing`);
    }
    if (sha256(readFileSync(path)) !== entry.sha256) {
      throw new Refused(`${name} does not have the sha256 of manifest.json: it was changed`);
    }
  }
  return { manifest, digest: sha256(raw) };
}

/**
 * What this device shows of a bundle.
 *
 * @param {string} folder The bundle.
 * @param asked device, nonce, threads, warmup, runs, seconds
 * @param {() => Promise<object>} load Gives the library.
 */
export async function statement(folder, asked, load) {
  const { manifest, digest } = checkedPayload(folder);
  const date = `${new Date().toISOString().slice(0, 19)}Z`;
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: basename(folder), digest: { sha256: digest } }],
    predicateType: "urn:edgec:receipt:1",
    predicate: { date, nonce: asked.nonce, ...(await measured(folder, manifest, asked, await load())) },
  };
}

/**
 * A statement with its signature.
 *
 * @param {object} said
 * @param key Private.
 */
export function signed(said, key) {
  const body = Buffer.from(JSON.stringify(said));
  const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${body.length} `;
  const signature = sign(null, Buffer.concat([Buffer.from(head), body]), key);
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x, "base64url");
  const signatures = [{ keyid: sha256(raw).slice(0, 16), sig: signature.toString("base64") }];
  const values = { payload: body.toString("base64"), payloadType: PAYLOAD_TYPE, signatures };
  return `${JSON.stringify(values, null, 1)}\n`;
}

async function measured(folder, manifest, asked, library) {
  if (!library.native && asked.threads !== 1) {
    throw new Refused(`${library.name} runs on one thread, ${asked.threads} are asked for`);
  }
  const [feeds, expected] = ["inputs", "outputs"].map((name) => stepsOf(join(folder, "golden", `${name}.npz`)));
  const before = freshPeak();
  try {
    const started = process.hrtime.bigint();
    const session = await library.open(folder, manifest, asked.threads);
    const load = Number(process.hrtime.bigint() - started);
    const tensors = library.tensors(feeds[0]);
    for (let run = 0; run < MEMORY_RUNS; run++) {
      await session.run(tensors);
    }
    const peak = peakBytes();
    const latency = await timed(session, tensors, asked);
    const golden = await replayed((given) => library.run(session, given), feeds, expected, manifest.state);
    return {
      device: {
        name: asked.device || hostname(),
        system: `${type()} ${release()}`,
        machine: machine(),
        processor: processor(),
        cores: cpus().length,
        features: [],
        emulated: "",
      },
      runtime: {
        language: `Node.js ${process.versions.node}`,
        library: library.name,
        onnxruntime: library.version,
        providers: manifest.target.providers,
      },
      model: manifest.model,
      golden: { steps: feeds.length, outputs: golden },
      load_ns: load,
      latency,
      memory: { before, peak, runs: MEMORY_RUNS },
      placement: await library.placement(folder, manifest, feeds[0]),
    };
  } catch (error) {
    if (error instanceof Refused) {
      throw error;
    }
    throw new Refused(`${library.name} ${library.version} cannot run it: ${error?.message ?? error}`);
  }
}

/** Nanoseconds of every timed run; with one thread, also what the processor computed meanwhile. */
async function timed(session, tensors, { threads, warmup, runs, seconds }) {
  for (let run = 0; run < warmup; run++) {
    await session.run(tensors);
  }
  const taken = [];
  const [began, used] = [performance.now(), process.cpuUsage()];
  while (taken.length < runs && (taken.length < FEWEST || performance.now() - began < 1000 * seconds)) {
    const started = process.hrtime.bigint();
    await session.run(tensors);
    taken.push(Number(process.hrtime.bigint() - started));
  }
  const { user, system } = process.cpuUsage(used);
  return { threads, warmup, ns: taken, computing_ns: threads === 1 ? 1000 * (user + system) : null };
}

/** Resident bytes now, from which the peak is counted anew where the system allows it; else the peak so far. */
function freshPeak() {
  try {
    writeFileSync("/proc/self/clear_refs", "5"); // proc_pid_clear_refs(5): resets VmHWM
    return process.memoryUsage().rss;
  } catch {
    return peakBytes();
  }
}

function peakBytes() {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "ascii"));
    return 1024 * Number(found[1]);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

/** What the system calls its board or its processor. */
function processor() {
  try {
    return readFileSync("/proc/device-tree/model", "utf8").replace(/\0/g, "").trim();
  } catch {
    return cpus()[0]?.model ?? "";
  }
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
