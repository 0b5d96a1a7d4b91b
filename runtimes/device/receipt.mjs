// A device's answer, signed. See receipt.py: the same in-toto statement in the same DSSE envelope.

import { createPublicKey, sign } from "node:crypto";
import { basename } from "node:path";

import { measured } from "./measured.mjs";
import { checkedPayload, sha256 } from "./payload.mjs";

const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/**
 * What this device shows of a bundle.
 *
 * @param {string} folder The bundle.
 * @param asked device, nonce, threads, warmup, runs, seconds
 * @param {() => Promise<object>} load Gives the library.
 */
export async function statement(folder, asked, load) {
  const { manifest, digest } = checkedPayload(folder);
  const date = `${new Date().toISOString().slice(0, 19)}Z`;
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: basename(folder), digest: { sha256: digest } }],
    predicateType: "urn:edgec:receipt:1",
    predicate: { date, nonce: asked.nonce, ...(await measured(folder, manifest, asked, await load())) },
  };
}

/**
 * A statement with its signature.
 *
 * @param {object} said
 * @param key Private.
 */
export function signed(said, key) {
  const body = Buffer.from(JSON.stringify(said));
  const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${body.length} `;
  const signature = sign(null, Buffer.concat([Buffer.from(head), body]), key);
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x, "base64url");
  const signatures = [{ keyid: sha256(raw).slice(0, 16), sig: signature.toString("base64") }];
  const values = { payload: body.toString("base64"), payloadType: PAYLOAD_TYPE, signatures };
  return `${JSON.stringify(values, null, 1)}\n`;
}
