// The page that browser.mjs serves: asks for requests, runs models, brings answers. Its address ends in ?PROVIDER.

import { HEAD_BYTES, decode, encode, readHead } from "./messages.mjs";
import { Server } from "./sessions.mjs";
import { Wasm } from "./wasm.mjs";

const LIBRARIES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const provider = location.search.slice(1);
let engine;
let server;

const post = (path, body) => fetch(path, { method: "POST", body });
const tell = (path, text) => post(path, text).catch(() => {}); // nobody is there any more

/** What the library prints goes to who waits for it, else to the log. */
for (const level of ["log", "info", "warn", "error"]) {
  console[level] = (...words) => {
    const text = words.join(" ");
    if (level !== "log" || !engine?.heard(text)) {
      tell("log", text);
    }
  };
}

addEventListener("error", (event) => tell("failed", String(event.error?.stack ?? event.message)));
addEventListener("unhandledrejection", (event) => tell("failed", String(event.reason?.stack ?? event.reason)));

/** Load the library; whether there is one. */
async function start() {
  try {
    const ort = await import(`./library/${LIBRARIES[provider]}`);
    engine = new Wasm(ort, provider);
    await engine.start();
    server = new Server(ort, engine);
    return true;
  } catch (error) {
    await post("answer", new Blob(encode({ error: "import", message: `${error.name}: ${error.message.split("\n")[0]}` })));
    return false;
  }
}

/** One request after the other, for as long as the page lives. */
async function work() {
  for (;;) {
    const response = await fetch("next");
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.byteLength === 0) {
      continue;
    }
    const { header: size } = readHead(bytes);
    const request = decode(bytes.subarray(HEAD_BYTES, HEAD_BYTES + size), bytes.subarray(HEAD_BYTES + size));
    const { header, tensors } = await server.answer(request.header, request.tensors);
    await post("answer", new Blob(encode(header, tensors)));
  }
}

fetch("alive");
if (await start()) {
  const { system, process } = await (await fetch("place")).json();
  const version = navigator.userAgent.match(/Chrome\/(\S+)/)?.[1] ?? navigator.userAgent;
  await post("answer", new Blob(encode(server.hello({ system: `Chromium ${version}, headless, on ${system}`, process }))));
  await work();
}
