// A bundle as it was copied: every file compared with the manifest that binds it.

import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join, sep } from "node:path";

import { Refused } from "./refused.mjs";

const PIECE = 1 << 20;
const GOLDEN = ["golden/inputs.npz", "golden/outputs.npz"];
const UNLISTED = ["manifest.json", "signature.json"]; // and the folder of proofs

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
    for (const needed of [manifest.model, manifest.session_options, manifest.state, manifest.target.providers]) {
      needed.toString();
    }
  } catch {
    throw new Refused(`${file} is not a bundle's manifest`);
  }
  for (const [name, entry] of Object.entries(manifest.files)) {
    if (isAbsolute(name) || name.split(sep).join("/").split("/").includes("..")) {
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
  for (const name of [manifest.model, ...GOLDEN]) {
    if (!Object.hasOwn(manifest.files, name)) {
      throw new Refused(`manifest.json does not list ${name}, which is to be run`);
    }
  }
  for (const name of namesIn(folder)) {
    if (!Object.hasOwn(manifest.files, name) && !UNLISTED.includes(name) && !name.startsWith("proof/")) {
      throw new Refused(`${name} is not listed in manifest.json: remove it, or copy the bundle anew`);
    }
  }
  return { manifest, digest: sha256(raw) };
}

/** Every file of a folder, as a manifest names it, in order. */
function namesIn(folder) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => statSync(join(folder, name)).isFile());
  return names.map((name) => name.split(sep).join("/")).sort();
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
