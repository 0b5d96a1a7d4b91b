// The engine of onnxruntime-node with its WebGPU provider: native code, its kernels compiled for the graphics driver.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { machine, tmpdir } from "node:os";
import { join } from "node:path";

import { kernels } from "./sessions.mjs";

const SAVED = "placed.onnx";

export class Native {
  threads = Infinity;

  /** @param ort The module `onnxruntime-node`. */
  constructor(ort) {
    this.facts = {
      onnxruntime: ort.env.versions.node,
      machine: machine(),
      providers: ["WebGpuExecutionProvider", "CPUExecutionProvider"],
      features: [],
    };
  }

  options(settings) {
    const threads = settings.threads ? { intraOpNumThreads: settings.threads } : {};
    return { executionProviders: ["webgpu"], ...threads };
  }

  // The profile of a run, and the graph as it ran, which knows of weights the profile leaves out.
  async profile(create, run) {
    const folder = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), "profile-"));
    try {
      const files = {
        enableProfiling: true,
        profileFilePrefix: join(folder, "profile"),
        optimizedModelFilePath: join(folder, SAVED),
      };
      const config = {
        "session.optimized_model_external_initializers_file_name": "weights.bin",
        "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
      };
      const session = await create(files, config);
      try {
        await run(session);
        session.endProfiling();
      } finally {
        await session.release();
      }
      const written = readdirSync(folder).find((name) => name.startsWith("profile") && name.endsWith(".json"));
      const events = kernels(JSON.parse(readFileSync(join(folder, written), "utf8")));
      const placed = new Uint8Array(readFileSync(join(folder, SAVED)));
      return {
        header: { events, assigned: {}, features: [] },
        tensors: new Map([["placed", { dtype: "uint8", shape: [placed.byteLength], data: placed }]]),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
