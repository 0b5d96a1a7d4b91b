// Runs the bundle that `npm run model` compiled, and checks what it answers: node dist/main.js BUNDLE
import * as ort from "onnxruntime-web";

import { Digits } from "./digits.js";
import { golden } from "./golden.js";

const bundle = process.argv[2] ?? "dist/model";
const image = golden(`${bundle}/golden/inputs.npz`)["image@0"]!;
const wanted = golden(`${bundle}/golden/outputs.npz`)["logits@0"]!;

const model = await Digits.open(ort, bundle);
const { logits } = await model.run({ image });

const digit = (scores: Float32Array) => scores.indexOf(Math.max(...scores));
const apart = Math.max(...wanted.data.map((value, index) => Math.abs(value - logits.data[index]!)));
const most = Math.max(...wanted.data.map(Math.abs));
console.log(`a ${digit(logits.data)}; at most ${apart.toPrecision(2)} from the golden logits, which reach ${most.toPrecision(3)}`);
if (digit(logits.data) !== digit(wanted.data) || !(apart <= most / 50)) process.exit(1);
