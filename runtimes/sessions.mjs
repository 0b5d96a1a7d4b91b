// Runs models with ONNX Runtime's JavaScript interface: the requests of runner.py answered, in Node as in a page.
//
// Models come with the request that opens them, weights beside them ("files"); nothing is read from a disk. What
// differs between builds of ONNX Runtime is an engine: wasm.mjs, native.mjs.

// What that interface calls a type, as ONNX Runtime itself calls it; as numpy calls it where that differs.
const KINDS = { float32: "float", float64: "double" };
// What WebAssembly's says of a dimension that is neither known nor named: -1, read as unsigned.
const UNKNOWN = 2 ** 32 - 1;

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
  #engine;
  #sessions = new Map();
  #next = 1;

  /**
   * @param ort The module: `onnxruntime-web` or `onnxruntime-node`.
   * @param engine What is particular to it:
   *     facts: what hello() says of it, its `providers` among that
   *     threads: the most a session may have
   *     options(settings): of every session, beside those that all engines share
   *     profile(create, run): the header and tensors that a run of a session of its own tells of placement
   */
  constructor(ort, engine) {
    this.#ort = ort;
    this.#engine = engine;
  }

  /** What executes here, beside what `place` tells: its `system`. */
  hello(place) {
    return { numpy: "", python: "", ...this.#engine.facts, ...place };
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
    const { facts, threads } = this.#engine;
    const absent = request.providers.find((name) => !facts.providers.includes(name));
    if (absent !== undefined) {
      throw new Refused("provider", `this ONNX Runtime has no ${absent}`);
    }
    if (request.settings.threads > threads) {
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

  // One run in a session of its own.
  async #profile(request, tensors) {
    const opened = this.#opened(request.session);
    const feeds = await this.#feeds(tensors);
    return await this.#engine.profile(
      (more, config) => this.#create(opened, more, config),
      (session) => refusing("run", () => session.run(feeds)),
    );
  }

  async #create({ model, settings }, more, config = {}) {
    const options = {
      logSeverityLevel: 4,
      graphOptimizationLevel: settings.optimize === false ? "disabled" : "all",
      enableMemPattern: settings.patterns !== false,
      extra: { ...settings.config, ...config },
      externalData: model.weights.map(({ path, data }) => ({ path, data })),
      ...this.#engine.options(settings),
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

/** Kernel events among those of a profile, in order. */
export function kernels(events) {
  return events.filter((event) => event.cat === "Node" && event.name.endsWith("_kernel_time"));
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
  return message.replace(/^.*?ERROR_MESSAGE: /s, "").trim();
}
