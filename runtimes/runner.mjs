// The twin of runner.py for Node (20 or newer): `node runner.mjs FOLDER`, FOLDER with onnxruntime-web's node_modules.
//
// This thread reads and writes, a worker runs models: so the client's end is noticed during a long run too. Standard
// output carries messages alone; whatever prints goes to standard error. Nothing is written to a disk.

import fs, { writeSync } from "node:fs";
import { machine, release, type } from "node:os";
import { pathToFileURL } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

import { HEAD_BYTES, decode, encode, readHead } from "./messages.mjs";
import { Server } from "./sessions.mjs";

const [OUTPUT, LOG] = [1, 2];

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
  process.on("SIGINT", () => {}); // the client decides
  Object.defineProperty(process, "stdout", { value: process.stderr });
  const worker = new Worker(new URL(import.meta.url), { workerData: { folder }, stdout: true, stderr: true });
  worker.stdout.pipe(process.stderr);
  worker.stderr.pipe(process.stderr);
  worker.on("message", write);
  worker.on("error", (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
  worker.on("exit", (code) => {
    process.stderr.write(`the worker left with exit code ${code}\n`);
    process.exit(code || 1);
  });
  const pieces = new Pieces();
  process.stdin.on("data", (chunk) => {
    try {
      for (const message of pieces.add(chunk)) {
        worker.postMessage(message, [message.header.buffer, message.payload.buffer]);
      }
    } catch (error) {
      process.stderr.write(`requests ended: ${error}\n`); // a torn request is the end of the client
      process.exit(0);
    }
  });
  process.stdin.on("end", () => process.exit(0));
  process.stdin.on("error", () => process.exit(0));
}

function write(parts) {
  try {
    for (const part of parts) {
      for (let at = 0; at < part.byteLength; ) {
        at += writeSync(OUTPUT, part, at);
      }
    }
  } catch (error) {
    process.stderr.write(`answers ended: ${error}\n`); // nobody reads them
    process.exit(0);
  }
}

/** Cuts a stream of bytes into messages. */
class Pieces {
  #chunks = [];
  #held = 0;
  #head;

  /** The messages that are complete with this piece. */
  *add(chunk) {
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
    for (;;) {
      if (this.#head === undefined) {
        if (this.#held < HEAD_BYTES) {
          return;
        }
        this.#head = readHead(this.#take(HEAD_BYTES));
      }
      const { header, payload } = this.#head;
      if (this.#held < header + payload) {
        return;
      }
      this.#head = undefined;
      yield { header: this.#take(header), payload: this.#take(payload) };
    }
  }

  /** The next bytes, in a buffer of their own. */
  #take(size) {
    const taken = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const piece = this.#chunks[0].subarray(0, size - at);
      taken.set(piece, at);
      at += piece.byteLength;
      if (piece.byteLength === this.#chunks[0].byteLength) {
        this.#chunks.shift();
      } else {
        this.#chunks[0] = this.#chunks[0].subarray(piece.byteLength);
      }
    }
    this.#held -= size;
    return taken;
  }
}

if (isMainThread) {
  serve(process.argv[2]);
} else {
  await work(workerData.folder);
}
