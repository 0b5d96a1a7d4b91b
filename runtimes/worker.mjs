// Two threads of a Node: the main one reads and writes, a worker runs models. So the client's end is noticed during a
// long run, too.

import { Worker, parentPort } from "node:worker_threads";

import { decode, encode } from "./messages.mjs";
import { receive, send } from "./stdio.mjs";

/**
 * The worker: one request after the other.
 *
 * @param {() => Promise<{hello: object, server: object}>} start Loads the library: its first word, and who answers.
 */
export async function work(start) {
  let hello;
  let server;
  try {
    ({ hello, server } = await start());
  } catch (error) {
    post(encode({ error: "import", message: `${error.name}: ${error.message.split("\n")[0]}` }));
    parentPort.on("message", () => {}); // it ends when the client does
    return;
  }
  post(encode(hello));
  let waiting = Promise.resolve();
  parentPort.on("message", (message) => {
    waiting = waiting.then(async () => {
      const request = decode(message.header, message.payload);
      const { header, tensors } = await server.answer(request.header, request.tensors);
      post(encode(header, tensors));
    });
  });
}

/** Hand a message's parts to the thread that writes. */
function post(parts) {
  // A buffer that belongs to nobody else moves; one that is a piece of a larger one, the library's perhaps, is copied.
  const whole = parts.map((part) => (part.byteLength === part.buffer.byteLength ? part : part.slice()));
  parentPort.postMessage(whole, [...new Set(whole.map((part) => part.buffer))]);
}

/**
 * The main thread: bytes of standard input become requests, answers become bytes of standard output.
 *
 * @param {URL} module What the worker runs.
 * @param {() => void} leave Ends the process.
 */
export function manage(module, leave) {
  let worker;
  receive(({ header, payload }) => worker.postMessage({ header, payload }, [header.buffer, payload.buffer]), leave);
  worker = new Worker(module, { argv: process.argv.slice(2), stdout: true, stderr: true });
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
