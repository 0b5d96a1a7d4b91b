// What a bundle answered when it was packed: arrays of numpy's .npz, which edgec stores without compression.
import { readFileSync } from "node:fs";

export interface Golden {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** The float arrays of an .npz by name; `image@0` is input image of step 0. */
export function golden(file: string): Record<string, Golden> {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf("PK\x05\x06", undefined, "latin1");
  const found: Record<string, Golden> = {};
  for (let at = bytes.readUInt32LE(end + 16), left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field));
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength!);
    const local = bytes.readUInt32LE(at + 42);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    found[name.replace(/\.npy$/, "")] = array(bytes.subarray(start, start + bytes.readUInt32LE(at + 24)));
    at += 46 + nameLength! + extraLength! + commentLength!;
  }
  return found;
}

function array(npy: Buffer): Golden {
  const header = npy.toString("latin1", 10, 10 + npy.readUInt16LE(8));
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (!header.includes("'<f4'") || shape === undefined) throw new Error(`no array of float32: ${header}`);
  const values = npy.subarray(10 + npy.readUInt16LE(8));
  return {
    data: new Float32Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.length)),
    dims: shape.split(",").filter((dim) => dim.trim()).map(Number),
  };
}
