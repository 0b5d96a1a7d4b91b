// A client at the other end of standard input and output: its messages come in, answers go out. Node, no ONNX Runtime.
//
// Standard output carries messages alone; whatever prints goes to standard error.

import { closeSync, openSync, writeSync } from "node:fs";

import { HEAD_BYTES, readHead } from "./messages.mjs";

export const [OUTPUT, LOG] = [1, 2];
let output = OUTPUT;

/** Keep standard output for messages, from native code too: what that prints to its descriptor is log (POSIX). */
export function own() {
  output = openSync(`/dev/fd/${OUTPUT}`, "a");
  closeSync(OUTPUT);
  openSync(`/dev/fd/${LOG}`, "a"); // takes the lowest number that is free
}

/**
 * Hand over each message of the client's, and leave when it does. Called before anything else: whoever asks Node for
 * its standard output, as a Worker does, makes it one that a write may find full.
 *
 * @param {(message: {head: Uint8Array, header: Uint8Array, payload: Uint8Array}) => void} deliver Its parts, each in a
 *     buffer of its own.
 * @param {() => void} leave Ends the process.
 */
export function receive(deliver, leave) {
  process.on("SIGINT", () => {}); // the client decides
  Object.defineProperty(process, "stdout", { value: process.stderr });
  const pieces = new Pieces();
  process.stdin.on("data", (chunk) => {
    try {
      for (const message of pieces.add(chunk)) {
        deliver(message);
      }
    } catch (error) {
      process.stderr.write(`requests ended: ${error}\n`); // a torn request is the end of the client
      leave();
    }
  });
  process.stdin.on("end", leave);
  process.stdin.on("error", leave);
}

/** Send a message's parts; `leave` when nobody reads them. */
export function send(parts, leave) {
  try {
    for (const part of parts) {
      for (let at = 0; at < part.byteLength; ) {
        at += writeSync(output, part, at);
      }
    }
  } catch (error) {
    process.stderr.write(`answers ended: ${error}\n`);
    leave();
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
        this.#head = this.#take(HEAD_BYTES);
      }
      const { header, payload } = readHead(this.#head);
      if (this.#held < header + payload) {
        return;
      }
      const head = this.#head;
      this.#head = undefined;
      yield { head, header: this.#take(header), payload: this.#take(payload) };
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
