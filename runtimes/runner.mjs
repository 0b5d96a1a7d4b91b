// The twin of runner.py for Node (20 or newer): `node runner.mjs FOLDER`, FOLDER with onnxruntime-web's node_modules.
//
// This thread reads and writes, a worker runs models: so the client's end is noticed during a long run too. Standard
// output carries messages alone; whatever prints goes to standard error. Nothing is written to a disk.

import fs, { writeSync } from "node:fs";
import { machine, release, type } from "node:os";
import { pathToFileURL } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

import { decode, encode } from "./messages.mjs";
import { Server } from "./sessions.mjs";
import { LOG, OUTPUT, receive, send } from "./stdio.mjs";

/** The worker: one request after the other. */
async function work(folder) {
  let server;
  listen((line) => server?.heard(line));
  try {
    const library = `${folder}/node_modules/onnxruntime-web/dist/ort.node.min.mjs`;
    server = new Server(await import(pathToFileURL(library).href));
    await server.start();
  } catch (error) {
    post(encode({ error: "import", message: `${error.name}: ${error.message.split("\n")[0]}` }));
    parentPort.on("message", () => {}); // it ends when the client does
    return;
  }
  const system = `Node.js ${process.versions.node} on ${type()} ${release()} ${machine()}`;
  post(encode(server.hello({ system, process: process.pid })));
  let waiting = Promise.resolve();
  parentPort.on("message", (message) => {
    waiting = waiting.then(async () => {
      const request = decode(message.header, message.payload);
      const { header, tensors } = await server.answer(request.header, request.tensors);
      post(encode(header, tensors));
    });
  });
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

/** Hand a message's parts to the thread that writes. */
function post(parts) {
  // A buffer that belongs to nobody else moves; one that is a piece of a larger one, the library's perhaps, is copied.
  const whole = parts.map((part) => (part.byteLength === part.buffer.byteLength ? part : part.slice()));
  parentPort.postMessage(whole, [...new Set(whole.map((part) => part.buffer))]);
}

/** The main thread: bytes of standard input become requests, answers become bytes of standard output. */
function serve(folder) {
  const leave = () => process.exit(0);
  let worker;
  receive(({ header, payload }) => worker.postMessage({ header, payload }, [header.buffer, payload.buffer]), leave);
  worker = new Worker(new URL(import.meta.url), { workerData: { folder }, stdout: true, stderr: true });
  worker.stdout.pipe(process.stderr);
  worker.stderr.pipe(process.stderr);
  worker.on("message", (parts) => send(parts, leave));
  worker.on("error", (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
  worker.on("exit", (code) => {
    process.stderr.write(`the worker left with exit code ${code}\n`);
    process.exit(code || 1);
  });
}

if (isMainThread) {
  serve(process.argv[2]);
} else {
  await work(workerData.folder);
}
