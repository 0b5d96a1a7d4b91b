// The twin of runner.py for a browser: `node browser.mjs FOLDER`, FOLDER with onnxruntime-web's node_modules;
// EDGEC_BROWSER is a headless Chromium, EDGEC_BROWSER_LIBRARIES the folders of its libraries, EDGEC_BROWSER_PROVIDER what
// its page runs models with: `wasm`, or `webgpu`, in software. Node serves that page, page.mjs, on the loopback device and
// carries messages between it and the client.
//
// The page asks for each message and brings each answer, by HTTP under a path that nobody else knows. The browser
// resolves no name, so it reaches nothing but this. It writes to one folder, which goes when it does. It ends with this
// process, however that ends: it closes when its debugging pipe does.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { machine, release, tmpdir, type } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { encode } from "./messages.mjs";
import { receive, send } from "./stdio.mjs";

const program = process.env.EDGEC_BROWSER;
const LIBRARY = join(process.argv[2], "node_modules", "onnxruntime-web", "dist");
const TYPES = { mjs: "text/javascript", wasm: "application/wasm" };
const KEEP_ASKING = 30_000; // ms
const FAREWELL = 1000; // ms that a browser which ends has to say why its page is gone, and to be gone itself
const LOG_LINES = 4;
const folder = process.env.EDGEC_HOST_FOLDER ?? mkdtempSync(join(tmpdir(), "edgec-"));
const secret = randomUUID();
// Isolated from other origins, as a page must be that has threads.
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cache-Control": "no-store",
};

// No sandbox: it wants rights that a container has not, and this page is ours, its models the user's.
const OPTIONS = [
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-breakpad",
  "--disable-component-update",
  "--disable-extensions",
  "--disable-sync",
  "--no-default-browser-check",
  "--no-first-run",
  "--no-proxy-server",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  "--remote-debugging-pipe",
  `--user-data-dir=${join(folder, "profile")}`,
];

// Its own Vulkan driver in software: no graphics card is asked.
const GRAPHICS = {
  wasm: ["--disable-gpu"],
  webgpu: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
};
const provider = process.env.EDGEC_BROWSER_PROVIDER ?? "wasm";

let browser;
let closed = true; // all of the browser's processes are gone: nobody holds its standard error
let leaving; // with this exit code
let started = false; // the page has said its first word
const waiting = []; // messages nobody has fetched yet
let asking; // the answer to the page's question for one
const said = []; // the browser's last words

/** End the browser, then this process. */
function leave(code = 0) {
  if (leaving === undefined) {
    leaving = code;
    browser?.kill("SIGKILL");
    setTimeout(end, closed ? 0 : FAREWELL);
  }
}

/** End this process; nothing the browser wrote stays. */
function end() {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
  }
  process.exit(leaving);
}

/** The browser cannot be started, or is gone. */
function lost(why) {
  if (leaving !== undefined) {
    return;
  }
  if (started) {
    process.stderr.write(`${why}\n`);
  } else {
    send(encode({ error: "browser", message: [why, ...said].join(": ") }), leave);
  }
  leave(1);
}

/** Keep what the browser says of its end, not of the buses and graphics cards it misses. */
function heard(line) {
  if (line.trim() && !/^\[[^\]]*:(?:INFO|WARNING|ERROR):/.test(line)) {
    process.stderr.write(`${line}\n`);
    said.push(line.trim());
    said.splice(0, said.length - LOG_LINES);
  }
}

function hand() {
  if (asking !== undefined && waiting.length) {
    for (const part of waiting.shift()) {
      asking.write(part);
    }
    asking.end();
    asking = undefined;
  }
}

/** A file of ours, or of the library. */
function file(response, path) {
  try {
    const content = readFileSync(path);
    response.writeHead(200, { ...HEADERS, "Content-Type": TYPES[path.split(".").at(-1)] }).end(content);
  } catch (error) {
    response.writeHead(404, HEADERS).end(error.message);
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return chunks;
}

async function serve(request, response) {
  const [asked] = request.url.split("?");
  const path = asked.startsWith(`/${secret}/`) ? asked.slice(secret.length + 2) : "elsewhere";
  switch (`${request.method} ${path}`) {
    case "GET ":
      response.writeHead(200, { ...HEADERS, "Content-Type": "text/html" });
      response.end('<!doctype html><title>edgec</title><script type="module" src="page.mjs"></script>');
      return;
    case "GET page.mjs":
    case "GET messages.mjs":
    case "GET sessions.mjs":
    case "GET wasm.mjs":
      return file(response, fileURLToPath(new URL(path, import.meta.url)));
    case "GET alive": // for as long as the page is
      response.on("close", () => setTimeout(lost, FAREWELL, "its page is gone"));
      response.writeHead(200, HEADERS).flushHeaders();
      return;
    case "GET place":
      response.writeHead(200, HEADERS);
      response.end(JSON.stringify({ system: `${type()} ${release()} ${machine()}`, process: process.pid }));
      return;
    case "GET next":
      asking = response;
      response.writeHead(200, HEADERS);
      setTimeout(() => {
        if (asking === response) {
          asking = undefined;
          response.end(); // nothing: it asks again
        }
      }, KEEP_ASKING);
      return hand();
    case "POST answer":
      send(await bodyOf(request), leave);
      started = true;
      response.writeHead(204, HEADERS).end();
      return;
    case "POST log":
      process.stderr.write(`${Buffer.concat(await bodyOf(request))}\n`);
      response.writeHead(204, HEADERS).end();
      return;
    case "POST failed":
      process.stderr.write(`${Buffer.concat(await bodyOf(request))}\n`);
      return leave(1);
  }
  if (request.method === "GET" && path.startsWith("library/")) {
    return file(response, join(LIBRARY, basename(path)));
  }
  response.writeHead(404, HEADERS).end();
}

receive(({ head, header, payload }) => {
  waiting.push([head, header, payload]);
  hand();
}, leave);
const server = createServer((request, response) => serve(request, response).catch(() => response.destroy()));
server.keepAliveTimeout = 0; // none: a connection that idles through a long run is there for its answer
server.listen(0, "127.0.0.1", () => {
  const address = `http://127.0.0.1:${server.address().port}/${secret}/?${provider}`;
  const own = Object.fromEntries(["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map((name) => [name, folder]));
  browser = spawn(program, [...OPTIONS, ...GRAPHICS[provider], address], {
    env: { ...process.env, ...own, LD_LIBRARY_PATH: process.env.EDGEC_BROWSER_LIBRARIES ?? "" },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  browser.on("error", (error) => lost(`${program}: ${error.code}`));
  createInterface({ input: browser.stderr }).on("line", heard);
  browser.stdio[4].resume(); // nobody listens, and a full pipe would stop it
  closed = false;
  browser.on("close", (code, signal) => {
    closed = true;
    if (leaving !== undefined) {
      end();
    }
    lost(`the browser left with ${signal ?? `exit code ${code}`}`);
  });
});
