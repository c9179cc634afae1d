// Softmax cross-entropy of one sample as a machine computes it, in four formats. No DOM.
// A number of any format is held as a double, which contains them all.

// Bits of the significand, the leading one included; exponent of the smallest number; overflow.
export const FORMATS = {
  float16: { bits: 11, smallest: -24, largest: 65504, width: 16 },
  bfloat16: { bits: 8, smallest: -133, largest: 255 * 2 ** 120, width: 16 },
  float32: { bits: 24, smallest: -149, largest: 3.4028234663852886e38, width: 32 },
  float64: { bits: 53, smallest: -1074, largest: Number.MAX_VALUE, width: 64 },
};

const number = new Float64Array(1);
const words = new Uint32Array(number.buffer);
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0]; // 1 where the high word comes second

// For each exponent of a double, the number that, added and taken away again, leaves multiples of
// the spacing that the format has there.
function shifts({ bits, smallest }) {
  const spacing = (e) => 2 ** Math.max(e - 1023 - bits + 1, smallest);
  return Float64Array.from({ length: 1300 }, (_, e) => 1.5 * 2 ** 52 * spacing(e));
}

function rounderTo(format) {
  const [table, { largest }] = [shifts(format), format];
  return (value) => {
    number[0] = value;
    const exponent = (words[HIGH] >>> 20) & 2047;
    const shift = exponent < 1300 ? table[exponent] : 0;
    const rounded = value + shift - shift;
    if (rounded > largest) return Infinity;
    return rounded < -largest ? -Infinity : rounded;
  };
}

const ROUND = {
  float16: rounderTo(FORMATS.float16),
  bfloat16: rounderTo(FORMATS.bfloat16),
  float32: Math.fround,
  float64: (value) => value,
};

/** The nearest number of a format to a double, ties to even. */
export const round = (value, format) => ROUND[format](value);

/** Bits of a number of a format, as hexadecimal digits. */
export function bitsOf(value, format) {
  const view = new DataView(new ArrayBuffer(8));
  const { width, bits, smallest } = FORMATS[format];
  if (format !== "float16") {
    // bfloat16 is the upper half of float32.
    if (width === 64) view.setFloat64(0, value);
    else view.setFloat32(0, value);
    return hex(view, width);
  }
  const sign = Object.is(Math.sign(value), -1) || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (!(size <= 65504)) view.setUint16(0, sign | (size > 0 ? 0x7c00 : 0x7e00));
  else {
    const exponent = Math.max(Math.floor(Math.log2(size || 1e-9)), smallest + bits - 1);
    const units = size / 2 ** (exponent - bits + 1);
    // The leading one of a normal number adds itself to the exponent's field.
    view.setUint16(0, sign | ((exponent - (smallest + bits - 1)) * 1024 + units));
  }
  return hex(view, 16);
}

function hex(view, width) {
  let text = "";
  for (let k = 0; k < width / 8; k++) text += view.getUint8(k).toString(16).padStart(2, "0");
  return text;
}

/** exp and log of a number of a format: as the double's, rounded to the format. */
export const expIn = (value, format) => round(Math.exp(value), format);
export const logIn = (value, format) => round(Math.log(value), format);

const SUMS = { sequential, pairwise, lanes };
export const ORDERS = Object.keys(SUMS);

/**
 * The sum of terms in a format and an order, and how many additions lost one of their two numbers.
 * Where all terms but the one at `odd` are equal, sums of equally many of them are made once.
 */
export function sumOf(terms, format, order, odd = null) {
  // Libraries add 16-bit numbers in float32 and round once.
  const rounded = ROUND[order === "lanes" && FORMATS[format].width === 16 ? "float32" : format];
  const sum = { terms, rounded, absorbed: 0, odd, kept: new Map(), rule: SUMS[order] };
  return { total: round(sum.rule(sum, 0, terms.length), format), absorbed: sum.absorbed };
}

function add(sum, a, b) {
  const total = sum.rounded(a + b);
  if ((total === a && b !== 0) || (total === b && a !== 0)) sum.absorbed += 1;
  return total;
}

function sequential(sum, start, length) {
  const { terms, rounded } = sum;
  let [total, absorbed] = [terms[start], 0];
  for (let k = start + 1; k < start + length; k++) {
    const [before, term] = [total, terms[k]];
    total = rounded(before + term);
    if ((total === before && term !== 0) || (total === term && before !== 0)) absorbed += 1;
  }
  sum.absorbed += absorbed;
  return total;
}

function pairwise(sum, start, length) {
  if (length === 1) return sum.terms[start];
  const half = Math.floor(length / 2);
  return add(sum, part(sum, start, half), part(sum, start + half, length - half));
}

// As numpy does: eight partial sums, and above 128 terms halves.
function lanes(sum, start, length) {
  if (length < 8) return sequential(sum, start, length);
  if (length > 128) {
    const half = Math.floor(length / 2) - (Math.floor(length / 2) % 8);
    return add(sum, part(sum, start, half), part(sum, start + half, length - half));
  }
  const { terms } = sum;
  const lane = Array.from(terms.subarray(start, start + 8));
  const even = length - (length % 8);
  for (let k = 8; k < even; k++) lane[k % 8] = add(sum, lane[k % 8], terms[start + k]);
  const pairs = [0, 2, 4, 6].map((j) => add(sum, lane[j], lane[j + 1]));
  let total = add(sum, add(sum, pairs[0], pairs[1]), add(sum, pairs[2], pairs[3]));
  for (let k = even; k < length; k++) total = add(sum, total, terms[start + k]);
  return total;
}

// The sum of a stretch by the same rule.
function part(sum, start, length) {
  if (sum.odd === null || (start <= sum.odd && sum.odd < start + length)) {
    return sum.rule(sum, start, length);
  }
  if (!sum.kept.has(length)) {
    const before = sum.absorbed;
    sum.kept.set(length, [sum.rule(sum, start, length), sum.absorbed - before]);
    sum.absorbed = before;
  }
  const [total, absorbed] = sum.kept.get(length);
  sum.absorbed += absorbed;
  return total;
}

/** The terms exp(z_k − z_max): `small`, but 1 for the right class after `position` wrong ones. */
export function termsOf(small, { classes, position }) {
  const terms = new Float64Array(classes).fill(small);
  terms[position] = 1;
  return terms;
}

/**
 * One sample whose right logit is `gap` above all others: what the machine computes.
 * setting: { format, classes, position, order }, position being the wrong classes added before.
 */
export function machine(gap, setting) {
  const { format, order, position } = setting;
  const held = round(gap, format);
  const small = expIn(-held, format);
  const { total, absorbed } = sumOf(termsOf(small, setting), format, order, position);
  return {
    gap: held, small, total, absorbed, loss: logIn(total, format),
    right: round(round(1 / total, format) - 1, format), wrong: round(small / total, format),
    collapsed: total === 1,
  };
}

/**
 * The complement form of loss and gradient: the wrong classes are added up without the 1, which
 * cannot absorb them then.  `small` is the term of a wrong class in the format.
 */
export function complement(small, setting) {
  const { format, order, position } = setting;
  const terms = termsOf(small, setting);
  terms[position] = 0;
  const wrong = sumOf(terms, format, order, position).total;
  const total = round(wrong + 1, format);
  const loss = wrong < 1 ? round(Math.log1p(wrong), format) : logIn(total, format);
  return { loss, right: -round(wrong / total, format), wrong: round(small / total, format) };
}

/** The same in exact arithmetic, to the last digits of a double; `rest` is the sum less 1. */
export function exact(gap, { classes }) {
  const small = Math.exp(-gap);
  const rest = (classes - 1) * small;
  return {
    gap, small, rest, total: 1 + rest, loss: Math.log1p(rest),
    right: -rest / (1 + rest), wrong: small / (1 + rest),
  };
}

/** P ln 2 and P ln 2 + ln(classes − 1): whatever the order, collapse begins between them. */
export function bounds({ format, classes }) {
  const least = FORMATS[format].bits * Math.LN2;
  return [least, least + Math.log(classes - 1)];
}

/** The smallest gap of a format at which the sum is exactly 1, by bisection over its numbers. */
export function threshold(setting) {
  const [least, largest] = bounds(setting);
  let below = round(least / 2, setting.format);
  let above = round(2 * largest, setting.format);
  for (;;) {
    const middle = round((below + above) / 2, setting.format);
    if (middle === below || middle === above) return above;
    if (machine(middle, setting).collapsed) above = middle;
    else below = middle;
  }
}

/**
 * Loss against gap up to the threshold, for a chart: { end, gap, loss }, no loss of them zero.
 * Far from its end the line is smooth; the stairs are in its last four units.
 */
export function curve(setting) {
  const end = threshold(setting);
  const found = { end, gap: [], loss: [] };
  for (let k = 0; k < 90; k++) {
    const asked = k < 15 ? ((end - 4) * k) / 15 : end - 4 + (4 * (k - 15)) / 74;
    const { gap, loss } = machine(asked, setting);
    if (gap === found.gap.at(-1) || gap >= end || loss === 0) continue;
    found.gap.push(gap);
    found.loss.push(loss);
  }
  return found;
}
