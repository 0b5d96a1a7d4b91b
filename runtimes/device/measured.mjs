// What a device shows of a bundle: distance from golden, time, memory, and the provider of every node.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus, hostname, machine, release, type } from "node:os";
import { join } from "node:path";

import { replayed } from "./golden.mjs";
import { stepsOf } from "./npz.mjs";
import { Refused } from "./refused.mjs";

const FEWEST = 10; // runs, however long they take
const MEMORY_RUNS = 2;

/**
 * What this device shows of a bundle whose payload was checked.
 *
 * @param {string} folder The bundle.
 * @param {object} manifest
 * @param {object} asked device, threads, warmup, runs, seconds
 * @param {object} library
 */
export async function measured(folder, manifest, asked, library) {
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
