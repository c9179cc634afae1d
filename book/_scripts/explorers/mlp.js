/* A network that learns to add modulo p, as grokbook.modular trains it: two hidden layers, ReLU, no
   biases, the whole training set at every step. No DOM. */

import { ROW_STEP, columnStep, openKernel, stride } from "./kernel.js";
import { permutation, uniform } from "./seeds.js";

// Samples that go through the network together: their numbers stay in the processor's cache.
const BLOCK = 64;

// --- Losses -----------------------------------------------------------------------------------

const single = new Float32Array(1), bits = new Uint32Array(single.buffer);

/** A number rounded to float16, by way of float32, ties to even. */
export function half(number) {
  const near = Math.fround(number), size = Math.abs(near);
  // Below 2⁻¹⁴ the spacing is 2⁻²⁴, that of float32 just above one half.
  if (size < 2 ** -14) return Math.sign(near) * (Math.fround(size + 0.5) - 0.5);
  if (!(size < 65520)) return Number.isNaN(near) ? near : Math.sign(near) * Infinity;
  single[0] = near;
  bits[0] = (bits[0] + 0xfff + ((bits[0] >>> 13) & 1)) & ~0x1fff;
  return single[0];
}

const exactly = (number) => number;
const ROUND = { float64: exactly, float32: Math.fround, float16: half };
export const LOSSES = ["float64", "float32", "float16", "stablemax"];

/** Cross-entropy of one sample, every operation rounded by `round`; see `lossOf`. */
function crossEntropy(row, label, round) {
  let top = -Infinity, total = 0;
  for (let k = 0; k < row.length; k++) {
    row[k] = round(row[k]);
    if (row[k] > top) top = row[k];
  }
  const right = round(row[label] - top);
  // A sum in float16 is rounded once, as torch does; the others at every addition, left to right.
  const partial = round === half ? exactly : round;
  for (let k = 0; k < row.length; k++) {
    row[k] = round(Math.exp(round(row[k] - top)));
    total = partial(total + row[k]);
  }
  total = round(total);
  for (let k = 0; k < row.length; k++) row[k] = round(row[k] / total);
  row[label] = round(row[label] - 1);
  return { value: round(round(Math.log(total)) - right), collapsed: total === 1 };
}

/** Cross-entropy of StableMax of one sample in float64, with the right class's gradient as minus
    the sum of the others; see `lossOf`. */
function stableMax(row, label, grown) {
  let total = 0, wrong = 0, top = 0;
  for (let k = 0; k < row.length; k++) {
    grown[k] = Math.abs(row[k]) + 1;
    row[k] = row[k] >= 0 ? grown[k] : 1 / grown[k];
    total += row[k];
    if (k !== label) wrong += row[k];
    if (row[k] > top) top = row[k];
  }
  const right = row[label], sum = wrong + right;
  for (let k = 0; k < row.length; k++) row[k] = row[k] / sum / grown[k];
  row[label] = -wrong / sum / grown[label];
  const value = wrong < right ? Math.log1p(wrong / right) : Math.log(sum) - Math.log(right);
  return { value, collapsed: total === top };
}

/** The loss of a name as a function of one sample's logits, a Float64Array, and its label: it puts
    the gradient in the logits' place and returns the value, and whether the sum has collapsed. */
export function lossOf(name, p) {
  const grown = new Float64Array(p);
  if (name === "stablemax") return (row, label) => stableMax(row, label, grown);
  return (row, label) => crossEntropy(row, label, ROUND[name]);
}

// --- The task ---------------------------------------------------------------------------------

/** The pairs a p + b of a seed, shuffled, and how many of them are for training. */
export function drawPairs({ p, share, seed }) {
  return { order: permutation(p * p, seed), nTrain: Math.floor(share * p * p + 1e-6) };
}

/** The initial weights of a seed, layer after layer, each row after row: 2 p x width,
    width x width, p x width. */
export function drawWeights({ p, width, seed }) {
  const draw = uniform(seed);
  const sizes = [[2 * p, 2 * p], [width, width], [p, width]];
  return sizes.map(([rows, inputs]) => draw(rows * width, 1 / Math.sqrt(inputs)));
}

const up = (number, step) => step * Math.ceil(number / step);

/** Where everything lies in the kernel's memory. Rows of weights and hidden units are `row` apart,
    those of logits `exit`; what fills rows and columns up is zero and stays so. */
function plan(format, p, width) {
  const columns = up(width, columnStep(format)), classes = up(p, columnStep(format));
  const row = stride(format, columns), exit = stride(format, classes);
  const sizes = [2 * p * row, columns * row, classes * row];
  const nWeights = sizes[0] + sizes[1] + sizes[2];
  const place = { columns, classes, row, exit, nWeights, size: 0 };
  const put = (name, size) => { place[name] = place.size; place.size += up(size, 16); };
  place.layers = [0, sizes[0], sizes[0] + sizes[1], nWeights];
  put("weights", nWeights);
  put("gradient", nWeights);
  put("turned", columns * row);
  put("turnedExit", columns * exit);
  for (const name of ["first", "second", "flow"]) put(name, BLOCK * row);
  put("logits", BLOCK * exit);
  return place;
}

/** Whether a run records this step: each of the first forty, then ever fewer, even in log time. */
export function due(step) {
  const distance = Math.max(1, 2 ** Math.floor(Math.log2(Math.max(step, 1) / 40)));
  return step % distance === 0;
}

// --- Training ---------------------------------------------------------------------------------

export class Trainer {
  /** `setting`: p, share, width, loss, optimiser ("adamw", "perp", "sgd"), rate, decay, relative,
      beta2, seed, and double for a network in float64. `start` may bring other `weights` (as
      `drawWeights`) and `pairs` (as `drawPairs`); `vectors: false` computes in loops. */
  constructor(setting, { weights, pairs, vectors = true } = {}) {
    this.setting = setting;
    const { p, width } = setting, format = setting.double ? "float64" : "float32";
    this.place = plan(format, p, width);
    this.kernel = openKernel(format, this.place.size, vectors);
    this.x = this.kernel.numbers;
    this.pairs = pairs ?? drawPairs(setting);
    this.row = new Float64Array(p);
    this.loss = lossOf(setting.loss, p);
    // A measured loss is in float64, or it could not be compared.
    this.measure = setting.loss === "stablemax" ? this.loss : lossOf("float64", p);
    this.setWeights(weights ?? drawWeights(setting));
    const { nWeights } = this.place;
    this.moments = [new this.x.constructor(nWeights), new this.x.constructor(nWeights)];
    this.startNorm = this.norm();
    this.step = 0;
    this.ended = "";
  }

  /** Where the weights lie: each layer's first place, its rows, and how many numbers each has. */
  shapes() {
    const { p, width } = this.setting, { weights, layers } = this.place;
    return [2 * p, width, p].map((rows, k) => ({ at: weights + layers[k], rows, columns: width }));
  }

  setWeights(parts) {
    this.shapes().forEach(({ at, rows, columns }, layer) => {
      for (let k = 0; k < rows; k++) {
        const line = parts[layer].subarray(k * columns, (k + 1) * columns);
        this.x.set(line, at + k * this.place.row);
      }
    });
  }

  /** The weights, layer after layer, without what fills the rows up. */
  getWeights() {
    return this.shapes().map(({ at, rows, columns }) => {
      const part = new this.x.constructor(rows * columns);
      for (let k = 0; k < rows; k++) {
        const from = at + k * this.place.row;
        part.set(this.x.subarray(from, from + columns), k * columns);
      }
      return part;
    });
  }

  /** Euclidean norm of all weights. */
  norm() {
    let square = 0;
    for (let k = 0; k < this.place.nWeights; k++) square += this.x[k] * this.x[k];
    return Math.sqrt(square);
  }

  /** Share of each frequency 1 … (p − 1)/2 in the variance of the first symbol's table. */
  spectrum() {
    const { p, width } = this.setting, shares = new Float64Array((p - 1) / 2);
    const wave = Float64Array.from({ length: p }, (_, k) => Math.cos((2 * Math.PI * k) / p));
    const shift = Float64Array.from({ length: p }, (_, k) => Math.sin((2 * Math.PI * k) / p));
    for (let frequency = 1; frequency <= shares.length; frequency++) {
      for (let unit = 0; unit < width; unit++) {
        let real = 0, imaginary = 0;
        for (let a = 0; a < p; a++) {
          const weight = this.x[a * this.place.row + unit], at = (a * frequency) % p;
          real += weight * wave[at];
          imaginary += weight * shift[at];
        }
        shares[frequency - 1] += real * real + imaginary * imaginary;
      }
    }
    const total = shares.reduce((one, other) => one + other);
    return shares.map((share) => share / total);
  }

  /** Transposes of the two upper layers, for the way forward. */
  turn() {
    const { x, place } = this, { row, exit, columns, classes, layers } = place;
    for (let k = 0; k < columns; k++) {
      for (let j = 0; j < columns; j++) x[place.turned + j * row + k] = x[layers[1] + k * row + j];
    }
    for (let k = 0; k < classes; k++) {
      for (let j = 0; j < columns; j++) {
        x[place.turnedExit + j * exit + k] = x[layers[2] + k * row + j];
      }
    }
  }

  /** Logits of the pairs from one place in the order to another, at most a block. */
  forward(from, to) {
    const { x, place, kernel } = this, { p, width } = this.setting;
    const { row, exit, columns, first, second } = place, rows = up(to - from, ROW_STEP);
    for (let i = from; i < to; i++) {
      const pair = this.pairs.order[i], at = first + (i - from) * row;
      const a = Math.floor(pair / p) * row, b = (p + (pair % p)) * row;
      for (let j = 0; j < width; j++) x[at + j] = Math.max(x[a + j] + x[b + j], 0);
    }
    kernel.product(second, row, first, row, 1, place.turned, row, rows, columns, width, false);
    for (let k = second; k < second + rows * row; k++) x[k] = Math.max(x[k], 0);
    kernel.product(place.logits, exit, second, row, 1, place.turnedExit, exit, rows,
      place.classes, width, false);
  }

  /** Add a block's part to the gradient of the weights, from that of its logits. */
  backward(from, to) {
    const { x, place, kernel } = this, { p, width } = this.setting;
    const { row, exit, columns, classes, first, second, flow, logits, layers } = place;
    const n = to - from, rows = up(n, ROW_STEP), keep = from > 0, out = place.gradient;
    kernel.product(out + layers[2], row, logits, 1, exit, second, row, classes, columns, n, keep);
    kernel.product(flow, row, logits, exit, 1, layers[2], row, rows, columns, p, false);
    for (let k = 0; k < n * row; k++) if (x[second + k] <= 0) x[flow + k] = 0;
    kernel.product(out + layers[1], row, flow, 1, row, first, row, columns, columns, n, keep);
    // The second layer's units are no longer needed: the first one's gradient takes their place.
    kernel.product(second, row, flow, row, 1, layers[1], row, rows, columns, width, false);
    for (let i = from; i < to; i++) {
      const pair = this.pairs.order[i], at = (i - from) * row;
      const a = out + Math.floor(pair / p) * row, b = out + (p + (pair % p)) * row;
      for (let j = 0; j < width; j++) {
        if (x[first + at + j] <= 0) continue;
        x[a + j] += x[second + at + j];
        x[b + j] += x[second + at + j];
      }
    }
  }

  /** Loss, accuracy and collapse over pairs of the order; `then` sees each block's logits last. */
  pass(from, to, loss, then) {
    const { x, place, row, pairs } = this, { p } = this.setting;
    const scale = this.scale();
    let value = 0, right = 0, collapsed = 0;
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(start + BLOCK, to);
      this.forward(start, end);
      for (let i = start; i < end; i++) {
        const at = place.logits + (i - start) * place.exit, pair = pairs.order[i];
        const label = (Math.floor(pair / p) + pair) % p;
        let best = 0;
        for (let k = 0; k < p; k++) {
          row[k] = x[at + k];
          if (row[k] > row[best]) best = k;
        }
        const terms = loss(row, label);
        value += terms.value;
        right += best === label ? 1 : 0;
        collapsed += terms.collapsed ? 1 : 0;
        if (then) for (let k = 0; k < p; k++) x[at + k] = row[k] * scale;
      }
      then?.(start, end);
    }
    const n = to - from;
    return { loss: value / n, accuracy: right / n, collapsed: collapsed / n };
  }

  /** Factor on a sample's gradient: the mean's, and with StableMax under AdamW 10¹⁰, which Adam
      divides out again and which keeps squares of gradients above the smallest float32. */
  scale() {
    const { loss, optimiser } = this.setting;
    return (loss === "stablemax" && optimiser !== "sgd" ? 1e10 : 1) / this.pairs.nTrain;
  }

  /** The record of the weights as they are. */
  look() {
    this.turn();
    const train = this.pass(0, this.pairs.nTrain, this.loss);
    return this.record(train, this.test());
  }

  test() {
    return this.pass(this.pairs.nTrain, this.pairs.order.length, this.measure);
  }

  record(train, test) {
    return {
      step: this.step, trainLoss: train.loss, testLoss: test.loss, trainAccuracy: train.accuracy,
      testAccuracy: test.accuracy, collapsed: train.collapsed, norm: this.norm(),
    };
  }

  /** One step; with `record`, returns the record of the weights before it. A loss that is not
      finite ends the run: `ended` says so. */
  advance(record = false) {
    const { x, place, pairs } = this;
    this.turn();
    const test = record ? this.test() : null;
    x.fill(0, place.gradient, place.gradient + place.layers[1]);
    const train = this.pass(0, pairs.nTrain, this.loss, (from, to) => this.backward(from, to));
    const seen = record ? this.record(train, test) : null;
    if (Number.isFinite(train.loss)) this.move();
    else this.ended = `The loss is ${train.loss} at step ${this.step}: the run ends here.`;
    return seen;
  }

  /** One step of the optimiser with the gradient in its place. */
  move() {
    const { optimiser, rate, decay, relative } = this.setting;
    this.step += 1;
    if (optimiser === "perp") for (let k = 0; k < 3; k++) this.project(k);
    const now = relative ? (rate * this.norm()) / this.startNorm : rate;
    if (optimiser === "sgd") this.descend(now, decay);
    else this.adam(now, decay, optimiser === "perp" ? 1e-8 : 1e-30);
  }

  /** Take a layer's gradient's part along the weights out, and restore its norm (⊥Grad). */
  project(layer) {
    const { x, place } = this, from = place.layers[layer], to = place.layers[layer + 1];
    const shift = place.gradient;
    let square = 0, along = 0, whole = 0, left = 0;
    for (let k = from; k < to; k++) {
      square += x[k] * x[k];
      along += x[k] * x[shift + k];
      whole += x[shift + k] * x[shift + k];
    }
    if (square === 0) return;
    for (let k = from; k < to; k++) {
      x[shift + k] -= (along / square) * x[k];
      left += x[shift + k] * x[shift + k];
    }
    const factor = left > 0 ? Math.sqrt(whole / left) : 0;
    for (let k = from; k < to; k++) x[shift + k] *= factor;
  }

  adam(rate, decay, epsilon) {
    const { x, moments: [first, second], step } = this, { beta2 } = this.setting;
    const { nWeights, gradient } = this.place, keep = 1 - rate * decay;
    const move = rate / (1 - 0.9 ** step), correction = Math.sqrt(1 - beta2 ** step);
    for (let k = 0; k < nWeights; k++) {
      const slope = x[gradient + k];
      first[k] += (1 - 0.9) * (slope - first[k]);
      second[k] = beta2 * second[k] + (1 - beta2) * slope * slope;
      x[k] = x[k] * keep - (move * first[k]) / (Math.sqrt(second[k]) / correction + epsilon);
    }
  }

  descend(rate, decay) {
    const { x } = this, { nWeights, gradient } = this.place;
    for (let k = 0; k < nWeights; k++) x[k] -= rate * (x[gradient + k] + decay * x[k]);
  }
}
