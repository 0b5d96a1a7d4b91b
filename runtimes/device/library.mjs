// ONNX Runtime for JavaScript, whichever build of it is there: onnxruntime-node, else onnxruntime-web.

import { default as fs, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import { Refused } from "./refused.mjs";

// The file that each build is loaded from, the fastest build first.
const MODULES = { "onnxruntime-node": "dist/index.js", "onnxruntime-web": "dist/ort.node.min.mjs" };
// Its names of execution providers; the CPU's is wasm where it is WebAssembly.
const PROVIDERS = {
  WebGpuExecutionProvider: "webgpu",
  CoreMLExecutionProvider: "coreml",
  CUDAExecutionProvider: "cuda",
  DmlExecutionProvider: "dml",
  QNNExecutionProvider: "qnn",
  TensorrtExecutionProvider: "tensorrt",
};

export class Library {
  #ort;
  #printed;

  constructor(ort, name) {
    this.#ort = ort;
    this.name = name;
    this.native = name === "onnxruntime-node";
    const { common, node, web } = ort.env.versions;
    this.version = (this.native ? node : web) ?? common;
    ort.env.logLevel = "fatal"; // what matters comes back as an exception
    if (!this.native) {
      ort.env.wasm.numThreads = 1;
      this.#listen();
    }
  }

  /** The library that some folders, or those around them, have in their node_modules. */
  static async load(folders) {
    for (const [name, module] of Object.entries(MODULES)) {
      const file = folders.flatMap(around).map((folder) => join(folder, "node_modules", name, module)).find(existsSync);
      if (file !== undefined) {
        const { default: whole, ...named } = await import(pathToFileURL(file).href);
        const library = new Library(whole ?? named, name);
        await library.#start();
        return library;
      }
    }
    throw new Refused("neither onnxruntime-node nor onnxruntime-web is installed: npm install onnxruntime-web");
  }

  /** Compile WebAssembly before the first model is opened, so that its loading time is its own. */
  async #start() {
    try {
      await this.#ort.InferenceSession.create(new Uint8Array(0), { logSeverityLevel: 4 });
    } catch {
      // an empty file is no model
    }
  }

  /**
   * A session of a bundle's model.
   *
   * @param folder The bundle's.
   * @param manifest
   * @param {number} threads
   * @param {object} more Further session options; those of `config` are added to the manifest's.
   */
  async open(folder, manifest, threads, { config = {}, ...more } = {}) {
    const { model } = manifest;
    const data = `${model}.data`;
    const external = data in manifest.files ? [{ path: data, data: readFileSync(join(folder, data)) }] : [];
    const options = {
      logSeverityLevel: 4,
      executionProviders: this.#providers(manifest),
      extra: { ...manifest.session_options, ...config },
      ...(this.native ? (threads ? { intraOpNumThreads: threads } : {}) : { externalData: external }),
      ...more,
    };
    const source = this.native ? join(folder, model) : readFileSync(join(folder, model));
    return await this.#ort.InferenceSession.create(source, options);
  }

  /** Outputs, a Map of {dtype, shape, data} by name, of feeds alike. */
  async run(session, feeds) {
    const found = await session.run(this.tensors(feeds));
    return new Map(
      session.outputNames.map((name) => {
        const { type, dims, data } = found[name];
        return [name, { dtype: type, shape: [...dims], data }];
      }),
    );
  }

  /** Feeds as a session takes them. */
  tensors(feeds) {
    const made = [...feeds].map(([name, { dtype, shape, data }]) => [name, new this.#ort.Tensor(dtype, data, shape)]);
    return Object.fromEntries(made);
  }

  /** Which provider ran each node, of the profile of one run. */
  async placement(folder, manifest, feeds) {
    const events = await (this.native ? this.#written(folder, manifest, feeds) : this.#heard(folder, manifest, feeds));
    const nodes = new Map();
    for (const { cat, name, args } of events) {
      if (cat === "Node" && name.endsWith("_kernel_time")) {
        nodes.set(name.slice(0, -"_kernel_time".length), { op: args.op_name, provider: args.provider });
      }
    }
    return { evidence: "profile of one run", nodes: [...nodes].map(([name, node]) => ({ name, ...node })) };
  }

  async #written(folder, manifest, feeds) {
    const place = mkdtempSync(join(tmpdir(), "edgec-"));
    try {
      await this.#profile(folder, manifest, feeds, { profileFilePrefix: join(place, "profile") });
      return JSON.parse(readFileSync(join(place, readdirSync(place)[0]), "utf8"));
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }

  // WebAssembly has no files: it prints the profile line by line. It drops prepacked weights from it, so there are none.
  async #heard(folder, manifest, feeds) {
    const lines = (this.#printed = []);
    try {
      await this.#profile(folder, manifest, feeds, { config: { "session.disable_prepacking": "1" } });
    } finally {
      this.#printed = undefined;
    }
    const events = lines.flatMap((text) => text.split("\n")).filter((line) => line.startsWith('{"cat"'));
    return events.map((line) => JSON.parse(line.replace(/,\s*$/, "")));
  }

  async #profile(folder, manifest, feeds, more) {
    const session = await this.open(folder, manifest, 1, { enableProfiling: true, ...more });
    try {
      await session.run(this.tensors(feeds));
      session.endProfiling();
    } finally {
      await session.release();
    }
  }

  /** What WebAssembly prints goes to who waits for it, else to the log: it writes to the descriptor itself. */
  #listen() {
    const { writeSync } = fs;
    fs.writeSync = (descriptor, ...rest) => {
      if (descriptor !== 1) {
        return writeSync(descriptor, ...rest);
      }
      this.#printed?.push(String(rest[0]));
      return this.#printed ? rest[0].length : writeSync(2, ...rest);
    };
  }

  /** The providers of a bundle's target, by this library's names. */
  #providers(manifest) {
    const has = this.native ? this.#ort.listSupportedBackends().map(({ name }) => name) : ["wasm"];
    const own = this.native ? "cpu" : "wasm";
    return manifest.target.providers.map((name) => {
      const known = name === "CPUExecutionProvider" ? own : PROVIDERS[name];
      if (!has.includes(known)) {
        throw new Refused(`its target runs on ${name}, this ${this.name} has ${has.join(", ")}`);
      }
      return known;
    });
  }
}

/** A folder and those it lies in. */
function around(folder) {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...around(above)];
}
