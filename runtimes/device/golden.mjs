// The golden inputs of a bundle, run again: state carried from step to step, every answer compared with the golden one.
//
//     exact     every element is equal
//     sqnr_db   10 log10(Σ x² / Σ (x - y)²), x golden
//
// Floats have both. So have codes that stand for numbers, int8 and integers that are carried (a cache of keys and
// values): one that is a step off is noise there, too. All else is equal or is not, as where a bundle is proved.

/**
 * How far the answers are from the golden ones: one entry per output, the worst of its steps.
 *
 * @param run Feeds, a Map of {dtype, shape, data} by name, to outputs alike.
 * @param feeds Of every step, carried inputs included; the first step's values of those are the start.
 * @param expected Golden outputs of every step.
 * @param carried The output that is fed back, by input.
 */
export async function replayed(run, feeds, expected, carried) {
  let state = Object.keys(carried).map((name) => [name, feeds[0].get(name)]);
  const codes = new Set(Object.values(carried));
  const found = new Map();
  for (const [step, given] of feeds.entries()) {
    const answers = await run(new Map([...given, ...state]));
    for (const [name, golden] of expected[step]) {
      const one = { name, ...distance(golden, answers.get(name), codes.has(name)) };
      found.set(name, found.has(name) ? worse(found.get(name), one) : one);
    }
    state = Object.entries(carried).map(([name, output]) => [name, answers.get(output)]);
  }
  return [...found.values()];
}

function worse(one, other) {
  const nonfinite = one.nonfinite + other.nonfinite;
  return { ...(closeness(one) <= closeness(other) ? one : other), nonfinite };
}

function closeness({ exact, sqnr_db }) {
  return exact ? Infinity : (sqnr_db ?? -Infinity);
}

function distance(golden, answer, carried) {
  const same = golden.shape.length === answer.shape.length && golden.shape.every((dim, at) => dim === answer.shape[at]);
  if (!same) {
    return { exact: false, sqnr_db: null, nonfinite: 0 };
  }
  if (!/^(float|int8$)/.test(golden.dtype) && !(carried && /^u?int/.test(golden.dtype))) {
    const exact = golden.data.every((value, at) => value === answer.data[at]);
    return { exact, sqnr_db: null, nonfinite: 0 };
  }
  const [wanted, got] = [numbers(golden), numbers(answer)];
  let [exact, lost, nonfinite, signal, noise] = [true, false, 0, 0, 0];
  for (let at = 0; at < golden.data.length; at++) {
    const [x, y] = [wanted(at), got(at)];
    const [known, good] = [Number.isFinite(x), Number.isFinite(y)];
    exact &&= x === y || (Number.isNaN(x) && Number.isNaN(y));
    nonfinite += good ? 0 : 1;
    lost ||= known && !good;
    if (known && good) {
      signal += x * x;
      noise += (x - y) ** 2;
    }
  }
  const decibels = exact || lost || !(signal > 0 && noise > 0) ? null : 10 * Math.log10(signal / noise);
  return { exact, sqnr_db: decibels, nonfinite };
}

/** The elements of a tensor as numbers; half floats may come as 16-bit patterns. */
function numbers({ dtype, data }) {
  return dtype === "float16" && data instanceof Uint16Array ? (at) => half(data[at]) : (at) => Number(data[at]);
}

function half(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) {
    return fraction ? NaN : sign * Infinity;
  }
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}
