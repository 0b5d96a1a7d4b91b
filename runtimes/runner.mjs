// The twin of runner.py for Node (20 or newer): `node runner.mjs FOLDER`, FOLDER with onnxruntime-web's node_modules.
//
// Standard output carries messages alone; whatever prints goes to standard error. Nothing is written to a disk.

import fs, { writeSync } from "node:fs";
import { machine, release, type } from "node:os";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";

import { Server } from "./sessions.mjs";
import { LOG, OUTPUT } from "./stdio.mjs";
import { Wasm } from "./wasm.mjs";
import { manage, work } from "./worker.mjs";

/** Load the library of a folder. */
async function start(folder) {
  let engine;
  listen((line) => engine?.heard(line));
  const ort = await import(pathToFileURL(`${folder}/node_modules/onnxruntime-web/dist/ort.node.min.mjs`).href);
  engine = new Wasm(ort, "wasm");
  await engine.start();
  const server = new Server(ort, engine);
  const system = `Node.js ${process.versions.node} on ${type()} ${release()} ${machine()}`;
  return { server, hello: server.hello({ system, process: process.pid }) };
}

/** What the library prints goes to who waits for it, else to the log: it writes to the descriptor itself. */
function listen(heard) {
  fs.writeSync = (descriptor, ...rest) => {
    if (descriptor !== OUTPUT) {
      return writeSync(descriptor, ...rest);
    }
    return heard(String(rest[0])) ? rest[0].length : writeSync(LOG, ...rest);
  };
}

if (isMainThread) {
  manage(new URL(import.meta.url), () => process.exit(0));
} else {
  await work(() => start(process.argv[2]));
}
