// Arrays of an .npz: a zip archive of .npy files, as numpy writes them.
//
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, and APPNOTE.TXT 6.3.10 of PKWARE for the zip.

import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

import { Refused } from "./refused.mjs";

// By numpy's name: ONNX Runtime's, and the array that holds it. Half floats are 16-bit patterns.
const DTYPES = {
  "|b1": ["bool", Uint8Array],
  "|i1": ["int8", Int8Array],
  "|u1": ["uint8", Uint8Array],
  "<i2": ["int16", Int16Array],
  "<u2": ["uint16", Uint16Array],
  "<i4": ["int32", Int32Array],
  "<u4": ["uint32", Uint32Array],
  "<i8": ["int64", BigInt64Array],
  "<u8": ["uint64", BigUint64Array],
  "<f2": ["float16", Uint16Array],
  "<f4": ["float32", Float32Array],
  "<f8": ["float64", Float64Array],
};
const [END, ENTRY, END64] = [0x06054b50, 0x02014b50, 0x06064b50];
const MOST = 0xffffffff; // a length or offset that stands in the entry's 64-bit field

/** Steps of an .npz whose arrays are called name@step: a Map of tensors by name each. */
export function stepsOf(file) {
  const steps = [];
  try {
    for (const [key, bytes] of members(readFileSync(file))) {
      const at = key.lastIndexOf("@");
      const step = Number(key.slice(at + 1));
      while (steps.length <= step) {
        steps.push(new Map());
      }
      steps[step].set(key.slice(0, at), tensorOf(key, bytes));
    }
  } catch (error) {
    throw error instanceof Refused ? new Refused(`${file} ${error.message}`) : error;
  }
  return steps;
}

/** Name (without .npy) and bytes of each member of an archive, in order. */
function* members(zip) {
  const { count, start } = directory(zip);
  let at = start;
  for (let index = 0; index < count; index++) {
    if (zip.readUInt32LE(at) !== ENTRY) {
      throw new Refused("is no zip archive");
    }
    const method = zip.readUInt16LE(at + 10);
    const [name, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
    const text = zip.toString("utf8", at + 46, at + 46 + name);
    let [packed, size] = [zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24)];
    let offset = zip.readUInt32LE(at + 42);
    let wide = wideField(zip, at + 46 + name, extra);
    const next = () => {
      const value = Number(zip.readBigUInt64LE(wide));
      wide += 8;
      return value;
    };
    size = size === MOST ? next() : size;
    packed = packed === MOST ? next() : packed;
    offset = offset === MOST ? next() : offset;
    const from = offset + 30 + zip.readUInt16LE(offset + 26) + zip.readUInt16LE(offset + 28);
    const raw = zip.subarray(from, from + packed);
    yield [text.replace(/\.npy$/, ""), method === 0 ? raw : inflateRawSync(raw)];
    at += 46 + name + extra + comment;
  }
}

/** How many members an archive has, and where the first one's entry stands. */
function directory(zip) {
  for (let at = zip.length - 22; at >= 0; at--) {
    if (zip.readUInt32LE(at) !== END) {
      continue;
    }
    const [count, start] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 16)];
    if (start !== MOST && count !== 0xffff) {
      return { count, start };
    }
    const end = Number(zip.readBigUInt64LE(at - 20 + 8)); // of the locator before it
    if (zip.readUInt32LE(end) !== END64) {
      break;
    }
    return { count: Number(zip.readBigUInt64LE(end + 32)), start: Number(zip.readBigUInt64LE(end + 48)) };
  }
  throw new Refused("is no zip archive");
}

/** Where the 64-bit numbers of an entry's extra field begin. */
function wideField(zip, from, length) {
  for (let at = from; at + 4 <= from + length; at += 4 + zip.readUInt16LE(at + 2)) {
    if (zip.readUInt16LE(at) === 1) {
      return at + 4;
    }
  }
  return from;
}

/** {dtype, shape, data} of a .npy file. */
function tensorOf(key, bytes) {
  const long = bytes[6] >= 2;
  const length = long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const start = (long ? 12 : 10) + length;
  const header = bytes.toString("latin1", long ? 12 : 10, start);
  const descr = /'descr': '([^']+)'/.exec(header)?.[1] ?? "";
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").filter((each) => each.trim()).map(Number);
  const own = Uint8Array.from(bytes.subarray(start)); // an array of its own begins where its elements may
  let [dtype, data] = ["string", undefined];
  if (/^<U\d+$/.test(descr)) {
    data = texts(own, Number(descr.slice(2)));
  } else if (descr in DTYPES) {
    const [name, Type] = DTYPES[descr];
    [dtype, data] = [name, new Type(own.buffer)];
  } else {
    throw new Refused(`holds ${key} as ${descr || "no numpy array"}, which this script does not read`);
  }
  return { dtype, shape, data: header.includes("'fortran_order': True") ? rowsFirst(data, shape) : data };
}

/** Texts of so many UTF-32 characters each, those at the end that are 0 left out. */
function texts(bytes, characters) {
  const codes = new Uint32Array(bytes.buffer);
  const found = [];
  for (let at = 0; characters && at < codes.length; at += characters) {
    found.push(String.fromCodePoint(...codes.subarray(at, at + characters)).replace(/\0+$/, ""));
  }
  return found;
}

/** Elements whose first index runs fastest, in the order in which the last one does. */
function rowsFirst(data, shape) {
  const found = data.slice();
  const steps = shape.map((_, axis) => shape.slice(0, axis).reduce((product, dim) => product * dim, 1));
  for (let at = 0; at < data.length; at++) {
    let [rest, from] = [at, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += (rest % shape[axis]) * steps[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    found[at] = data[from];
  }
  return found;
}
