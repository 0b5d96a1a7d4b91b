// The twin of runner.py for WebGPU without a browser: `node gpu.mjs FOLDER`, FOLDER with onnxruntime-node's node_modules.
//
// Native code runs in the worker, which no engine can interrupt: so the process ends by a signal. It writes to one
// folder, which goes with it.

import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { machine, release, tmpdir, type } from "node:os";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";

import { Native } from "./native.mjs";
import { Server } from "./sessions.mjs";
import { own } from "./stdio.mjs";
import { manage, work } from "./worker.mjs";

/** Load the library of a folder. */
async function start(folder) {
  const ort = createRequire(join(folder, "node_modules", "/"))("onnxruntime-node");
  const server = new Server(ort, new Native(ort));
  const system = `Node.js ${process.versions.node} on ${type()} ${release()} ${machine()}`;
  return { server, hello: server.hello({ system, process: process.pid }) };
}

if (isMainThread) {
  own();
  const folder = process.env.EDGEC_HOST_FOLDER ?? mkdtempSync(join(tmpdir(), "edgec-"));
  process.env.TMPDIR = process.env.MESA_SHADER_CACHE_DIR = folder;
  manage(new URL(import.meta.url), () => {
    rmSync(folder, { recursive: true, force: true });
    process.kill(process.pid, "SIGKILL");
  });
} else {
  await work(() => start(process.argv[2]));
}
