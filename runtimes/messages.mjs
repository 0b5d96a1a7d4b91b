// The messages of runner.py, byte for byte: no Node, no page, no ONNX Runtime; arrays in, arrays out.
//
//     "EDGC"  length of header (u32)  length of payload (u64)  header (JSON)  payload
//
// The header lists the payload's arrays: "tensors": [[name, dtype, shape, bytes], ...]; strings stand in the header,
// [name, "string", shape, [text, ...]]. Lengths and arrays are little-endian, as every WebAssembly engine is.

const MAGIC = [0x45, 0x44, 0x47, 0x43]; // EDGC
const LARGEST_HEADER = 2 ** 30;
export const HEAD_BYTES = 16;

// An array type per dtype; half floats are 16-bit patterns where the engine has no type for them.
const ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: globalThis.Float16Array ?? Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** What came is no message. */
export class GarbageError extends Error {}

/** Lengths of header and payload, by the first HEAD_BYTES of a message. */
export function readHead(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  const [header, payload] = [view.getUint32(4, true), Number(view.getBigUint64(8, true))];
  if (MAGIC.some((byte, index) => bytes[index] !== byte) || header > LARGEST_HEADER) {
    throw new GarbageError("no message");
  }
  return { header, payload };
}

/**
 * Header and tensors of a message's two parts.
 *
 * @param {Uint8Array} header
 * @param {Uint8Array} payload
 * @returns {{header: object, tensors: Map<string, {dtype: string, shape: number[], data: any}>}} each array a copy of
 *     its own, for a typed array must begin at a multiple of its element.
 */
export function decode(header, payload) {
  let found;
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
  } catch {
    throw new GarbageError("no JSON");
  }
  if (!Array.isArray(found?.tensors)) {
    throw new GarbageError("no tensors");
  }
  const { tensors: listed, ...rest } = found;
  const tensors = new Map();
  let at = 0;
  for (const entry of listed) {
    if (!Array.isArray(entry) || entry.length !== 4) {
      throw new GarbageError("no tensor");
    }
    const [name, dtype, shape, held] = entry;
    const whole = Array.isArray(shape) && shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
    if (typeof name !== "string" || !whole) {
      throw new GarbageError("no tensor");
    }
    const size = shape.reduce((product, dim) => product * dim, 1);
    if (dtype === "string") {
      if (!Array.isArray(held) || held.length !== size || held.some((item) => typeof item !== "string")) {
        throw new GarbageError("no strings");
      }
      tensors.set(name, { dtype, shape, data: held });
      continue;
    }
    const type = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype] : undefined;
    if (type === undefined ? !(held >= 0) : held !== size * type.BYTES_PER_ELEMENT) {
      throw new GarbageError("no tensor");
    }
    const bytes = payload.slice(at, at + held); // of a dtype not known here: its bytes, for whoever refuses it
    if (bytes.byteLength !== held) {
      throw new GarbageError("fewer bytes than announced");
    }
    tensors.set(name, { dtype, shape, data: type === undefined ? bytes : new type(bytes.buffer) });
    at += held;
  }
  if (at !== payload.byteLength) {
    throw new GarbageError("more bytes than announced");
  }
  return { header: rest, tensors };
}

/**
 * The parts of a message, to be sent one behind the other; arrays are sent from where they lie.
 *
 * @param {object} header
 * @param {Map<string, {dtype: string, shape: readonly number[], data: any}>} tensors
 * @returns {Uint8Array[]}
 */
export function encode(header, tensors = new Map()) {
  const listed = [];
  const parts = [];
  let size = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (dtype === "string") {
      listed.push([name, dtype, [...shape], [...data]]);
      continue;
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    listed.push([name, dtype, [...shape], bytes.byteLength]);
    parts.push(bytes);
    size += bytes.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify({ ...header, tensors: listed }));
  const head = new Uint8Array(HEAD_BYTES);
  head.set(MAGIC);
  const view = new DataView(head.buffer);
  view.setUint32(4, text.byteLength, true);
  view.setBigUint64(8, BigInt(size), true);
  return [head, text, ...parts];
}
