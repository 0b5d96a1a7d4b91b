// A bundle as it was copied: every file compared with the manifest that binds it.

import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import { Refused } from "./refused.mjs";

const PIECE = 1 << 20;

/**
 * The manifest of a bundle whose every file has the sha256 that it lists, and the digest of the manifest.
 *
 * @param {string} folder
 */
export function checkedPayload(folder) {
  const file = join(folder, "manifest.json");
  if (!existsSync(file)) {
    throw new Refused(`${folder} is no bundle: manifest.json is missing`);
  }
  const raw = readFileSync(file);
  let manifest;
  try {
    const values = JSON.parse(raw.toString("utf8"));
    manifest = values.additional_metadata?.edgec ?? values;
    Object.values(manifest.files).forEach((entry) => entry.sha256.toString());
  } catch {
    throw new Refused(`${file} is not a bundle's manifest`);
  }
  for (const [name, entry] of Object.entries(manifest.files)) {
    if (isAbsolute(name) || name.split("/").includes("..")) {
      throw new Refused(`manifest.json lists '${name}', which is not inside the bundle`);
    }
    const path = join(folder, name);
    if (!existsSync(path) || !statSync(path).isFile()) {
      throw new Refused(`${name} is listed in manifest.json, but missing`);
    }
    if (sha256File(path) !== entry.sha256) {
      throw new Refused(`${name} does not have the sha256 of manifest.json: it was changed`);
    }
  }
  return { manifest, digest: sha256(raw) };
}

/** The digest of some bytes, hex. */
export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function sha256File(path) {
  const [digest, piece, file] = [createHash("sha256"), Buffer.alloc(PIECE), openSync(path)];
  try {
    for (let size = readSync(file, piece); size > 0; size = readSync(file, piece)) {
      digest.update(piece.subarray(0, size));
    }
  } finally {
    closeSync(file);
  }
  return digest.digest("hex");
}
