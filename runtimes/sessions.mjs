// Runs models with onnxruntime-web: the requests of runner.py answered, in Node as in a page.
//
// Models come with the request that opens them, weights beside them ("files"); nothing is read from a disk.

// What `onnxruntime-web` calls a type, as ONNX Runtime itself calls it; as numpy calls it where that differs.
const KINDS = { float32: "float", float64: "double" };
// What it says of a dimension that is neither known nor named: -1, read as unsigned.
const UNKNOWN = 2 ** 32 - 1;
// A module with one function that uses a 128-bit vector: valid where the engine has them.
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** An answer that is no answer; `kind` is one of runner.py's. */
class Refused extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** Sessions by number. */
export class Server {
  #ort;
  #sessions = new Map();
  #next = 1;
  #printed;

  /** @param ort The module `onnxruntime-web`. */
  constructor(ort) {
    this.#ort = ort;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "fatal"; // what matters comes back as an exception
  }

  /** Compile the library, so that the first model's loading time is its own. */
  async start() {
    const options = { executionProviders: ["wasm"], logSeverityLevel: 4 };
    try {
      await this.#ort.InferenceSession.create(new Uint8Array(0), options);
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

  /** What executes here, beside what `place` tells of the engine: its `machine` and `system`. */
  hello(place) {
    return {
      onnxruntime: this.#ort.env.versions.web,
      numpy: "",
      python: "",
      machine: "wasm32",
      providers: ["CPUExecutionProvider"],
      features: WebAssembly.validate(new Uint8Array(SIMD)) ? ["SIMD128"] : [],
      ...place,
    };
  }

  /**
   * Header and tensors of the answer to one request.
   *
   * @param {object} request
   * @param {Map<string, object>} tensors
   */
  async answer(request, tensors) {
    try {
      for (const number of request.forget ?? []) {
        await this.#free(number);
      }
      switch (request.do) {
        case "open":
          return await this.#open(request, tensors);
        case "run":
          return await this.#run(request, tensors);
        case "profile":
          return await this.#profile(request, tensors);
        case "close":
          await this.#free(request.session);
          return { header: {} };
      }
      throw new Refused("request", `${JSON.stringify(request.do)} is not a request`);
    } catch (error) {
      const kind = error instanceof Refused ? error.kind : "request";
      return { header: { error: kind, message: error instanceof Refused ? error.message : String(error) } };
    }
  }

  async #open(request, tensors) {
    const absent = request.providers.find((name) => name !== "CPUExecutionProvider");
    if (absent !== undefined) {
      throw new Refused("provider", `this ONNX Runtime has no ${absent}`);
    }
    if (request.settings.threads > 1) {
      throw new Refused("request", `it has one thread, ${request.settings.threads} are asked for`);
    }
    const opened = { model: modelOf(request, tensors), settings: request.settings };
    const started = performance.now();
    const session = await this.#create(opened, {});
    const seconds = (performance.now() - started) / 1000;
    const number = this.#next++;
    this.#sessions.set(number, { ...opened, session });
    const described = (values) => values.map((value) => [value.name, ...kindOf(value)]);
    const [inputs, outputs] = [described(session.inputMetadata), described(session.outputMetadata)];
    return { header: { session: number, inputs, outputs, seconds } };
  }

  async #run(request, tensors) {
    const { session } = this.#opened(request.session);
    const feeds = await this.#feeds(tensors);
    const started = performance.now();
    const found = await refusing("run", () => session.run(feeds));
    const seconds = (performance.now() - started) / 1000;
    if (request.outputs === false) {
      return { header: { seconds } };
    }
    const outputs = new Map();
    for (const name of session.outputNames) {
      const { type, dims, data } = found[name];
      outputs.set(name, { dtype: type, shape: dims, data });
    }
    return { header: { seconds }, tensors: outputs };
  }

  // The profile of one run in a session of its own: this build has no files, it prints the profile line by line.
  async #profile(request, tensors) {
    const opened = this.#opened(request.session);
    const lines = (this.#printed = []);
    try {
      const session = await this.#create(opened, { enableProfiling: true }, { "session.disable_prepacking": "1" });
      try {
        const feeds = await this.#feeds(tensors);
        await refusing("run", () => session.run(feeds));
        session.endProfiling();
      } finally {
        await session.release();
      }
    } finally {
      this.#printed = undefined;
    }
    return { header: { events: eventsOf(lines), assigned: {}, features: this.hello({}).features } };
  }

  async #create({ model, settings }, more, config = {}) {
    const options = {
      executionProviders: ["wasm"],
      logSeverityLevel: 4,
      graphOptimizationLevel: settings.optimize === false ? "disabled" : "all",
      enableMemPattern: settings.patterns !== false,
      extra: { ...settings.config, ...config },
      externalData: model.weights.map(({ path, data }) => ({ path, data })),
      ...more,
    };
    return await refusing("open", () => this.#ort.InferenceSession.create(model.graph, options));
  }

  async #feeds(tensors) {
    const feeds = {};
    for (const [name, { dtype, shape, data }] of tensors) {
      feeds[name] = await refusing("run", () => new this.#ort.Tensor(dtype, data, shape));
    }
    return feeds;
  }

  #opened(number) {
    const opened = this.#sessions.get(number);
    if (opened === undefined) {
      throw new Refused("request", `KeyError: ${number}`);
    }
    return opened;
  }

  async #free(number) {
    const opened = this.#sessions.get(number);
    this.#sessions.delete(number);
    await opened?.session.release();
  }
}

/** The model a request brings, and the files of its weights by the paths the model names. */
function modelOf(request, tensors) {
  const bytes = (name) => tensors.get(name).data;
  if (request.files === undefined) {
    const others = [...tensors.keys()].filter((name) => name !== "model:");
    if (others.length || !tensors.has("model:")) {
      throw new Refused("request", "a model comes whole, or as files");
    }
    return { graph: bytes("model:"), weights: [] };
  }
  const [first, ...others] = request.files;
  return { graph: bytes(`file:${first}`), weights: others.map((path) => ({ path, data: bytes(`file:${path}`) })) };
}

/** An input or output as ONNX Runtime describes it: ["tensor(float)", shape]. */
function kindOf(value) {
  if (!value.isTensor) {
    return ["not a tensor", []];
  }
  const shape = value.shape.map((dim) => (dim === UNKNOWN || dim === "" ? null : dim));
  return [`tensor(${KINDS[value.type] ?? value.type})`, shape];
}

/** Kernel events of a profile, in order. */
function eventsOf(lines) {
  const events = [];
  for (const line of lines) {
    if (!line.startsWith('{"cat"')) {
      continue;
    }
    const event = JSON.parse(line.replace(/,\s*$/, ""));
    if (event.cat === "Node" && event.name.endsWith("_kernel_time")) {
      events.push(event);
    }
  }
  return events;
}

/** What an act gives; what it throws is a refusal of that kind. */
async function refusing(kind, act) {
  try {
    return await act();
  } catch (error) {
    throw new Refused(kind, messageOf(error));
  }
}

/** What ONNX Runtime says, without what its interface puts before it. */
function messageOf(error) {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^.*?ERROR_MESSAGE: /s, "");
}
