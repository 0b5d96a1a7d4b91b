// The engine of onnxruntime-web: ONNX Runtime as WebAssembly, on one thread, with its CPU provider or that of WebGPU.

import { kernels } from "./sessions.mjs";

// A module with one function that uses a 128-bit vector: valid where the engine has them.
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

const PROVIDERS = {
  wasm: ["CPUExecutionProvider"],
  webgpu: ["WebGpuExecutionProvider", "CPUExecutionProvider"],
};

export class Wasm {
  threads = 1;
  #ort;
  #provider;
  #printed;

  /**
   * @param ort The module `onnxruntime-web`.
   * @param {string} provider `wasm` or `webgpu`.
   */
  constructor(ort, provider) {
    this.#ort = ort;
    this.#provider = provider;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "fatal"; // what matters comes back as an exception
    this.facts = {
      onnxruntime: ort.env.versions.web,
      machine: "wasm32",
      providers: PROVIDERS[provider],
      features: WebAssembly.validate(new Uint8Array(SIMD)) ? ["SIMD128"] : [],
    };
  }

  /** Compile the library, so that the first model's loading time is its own. */
  async start() {
    try {
      await this.#ort.InferenceSession.create(new Uint8Array(0), { ...this.options(), logSeverityLevel: 4 });
    } catch (error) {
      if (!String(error.message).startsWith("Can't create a session")) {
        throw error; // it did not come as far as to refuse the empty model
      }
    }
  }

  /**
   * Told each line the library prints to its standard output, which it alone knows how to reach.
   *
   * @param {string} line
   * @returns {boolean} Whether it was waited for.
   */
  heard(line) {
    this.#printed?.push(line);
    return this.#printed !== undefined;
  }

  options() {
    return { executionProviders: [this.#provider] };
  }

  // This build has no files, it prints the profile line by line.
  async profile(create, run) {
    const lines = (this.#printed = []);
    try {
      const session = await create({ enableProfiling: true }, { "session.disable_prepacking": "1" });
      try {
        await run(session);
        session.endProfiling();
      } finally {
        await session.release();
      }
    } finally {
      this.#printed = undefined;
    }
    const printed = lines.filter((line) => line.startsWith('{"cat"'));
    const events = printed.map((line) => JSON.parse(line.replace(/,\s*$/, "")));
    return { header: { events: kernels(events), assigned: {}, features: this.facts.features } };
  }
}
