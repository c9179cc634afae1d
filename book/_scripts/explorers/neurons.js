// A two-layer ReLU network in the plane of its two signal directions, from a recorded run. No DOM.

import { unpackNumbers } from "./numerics.js";

/**
 * The recording of book/_ext/recorded_neurons.py, unpacked. Beside what it holds as it is:
 * neurons: for each record the coordinates of all neurons, (x, y) in turn, in units of the longest
 * coordinate of that record, which is `unit` times alpha |mu|^2 / sqrt(m);
 * points: (x, y) of the training inputs in turn, in units of |mu|.
 */
export function unpack(recording) {
  const { sign, step, reach } = recording;
  const all = unpackNumbers(recording.neurons);
  const each = 2 * sign.length;
  return {
    ...recording,
    neurons: step.map((_, k) => all.subarray(k * each, (k + 1) * each)),
    points: unpackNumbers(recording.points).map((one) => one * reach),
  };
}

/** Output of the network at x mu_1 + y mu_2, up to a positive factor: sum_j a_j relu(w_j · u). */
export function output(place, sign, x, y) {
  let total = 0;
  for (let j = 0; j < sign.length; j++) {
    const inside = place[2 * j] * x + place[2 * j + 1] * y;
    if (inside > 0) total += sign[j] * inside;
  }
  return total;
}

const TURN = 2 * Math.PI;
// Angles nearer than this are one, and outputs smaller than this part of the whole are zero.
const CLOSE = 1e-12;
const turned = (angle) => ((angle % TURN) + TURN) % TURN;

/** Angles in [0, 2 pi) at which some neuron switches on or off, in order, each once. */
function kinksOf(place, sign) {
  const kinks = [];
  for (let j = 0; j < sign.length; j++) {
    if (!place[2 * j] && !place[2 * j + 1]) continue;
    const own = Math.atan2(place[2 * j + 1], place[2 * j]);
    kinks.push(turned(own - TURN / 4), turned(own + TURN / 4));
  }
  return kinks.sort((a, b) => a - b).filter((one, k) => !k || one - kinks[k - 1] > CLOSE);
}

/* Between two kinks the output is a cos + b sin: the sums over the neurons that are on. */
function between(place, sign, angle) {
  const [x, y] = [Math.cos(angle), Math.sin(angle)];
  let [a, b, size] = [0, 0, 0];
  for (let j = 0; j < sign.length; j++) {
    const [p, q] = [place[2 * j], place[2 * j + 1]];
    size += Math.abs(p) + Math.abs(q);
    if (p * x + q * y <= 0) continue;
    a += sign[j] * p;
    b += sign[j] * q;
  }
  return Math.hypot(a, b) < CLOSE * size ? [0, 0] : [a, b];
}

/* The pieces of one sign from one kink to the next: one, or two on either side of a zero. */
function pieces(place, sign, from, to) {
  const middle = (from + to) / 2;
  const [a, b] = between(place, sign, middle);
  if (!a && !b) return [{ from, to, label: 0 }];
  const value = (angle) => a * Math.cos(angle) + b * Math.sin(angle);
  // The angle of the zero that is nearer to the middle.
  const one = Math.atan2(-a, b);
  const away = ((((one - middle) % Math.PI) + 1.5 * Math.PI) % Math.PI) - Math.PI / 2;
  if (Math.abs(away) >= (to - from) / 2 - CLOSE) {
    return [{ from, to, label: Math.sign(value(middle)) }];
  }
  const zero = middle + away;
  const label = Math.sign(value((from + zero) / 2));
  return [{ from, to: zero, label }, { from: zero, to, label: -label }];
}

/**
 * The wedges of one sign of the output: [{ from, to, label }], from < to, label +1, -1 or 0.
 * Along a ray the output grows in proportion, so its boundary consists of rays.
 */
export function wedges(place, sign) {
  const kinks = kinksOf(place, sign);
  if (!kinks.length) return [{ from: 0, to: TURN, label: 0 }];
  const found = [];
  kinks.forEach((from, k) => {
    const to = k + 1 < kinks.length ? kinks[k + 1] : kinks[0] + TURN;
    for (const piece of pieces(place, sign, from, to)) {
      if (found.length && found.at(-1).label === piece.label) found.at(-1).to = piece.to;
      else found.push(piece);
    }
  });
  if (found.length > 1 && found[0].label === found.at(-1).label) {
    found[0].from = found.pop().from - TURN;
  }
  return found;
}

/** Angles in [0, 2 pi) of the rays between wedges, on which the sign changes, in order. */
export function boundary(found) {
  return found.length < 2 ? [] : found.map(({ from }) => turned(from)).sort((a, b) => a - b);
}

/** Share of the neurons nearer to the axis of their own class: mu_1 for a_j > 0, mu_2 below. */
export function turnedTo(place, sign) {
  let own = 0;
  for (let j = 0; j < sign.length; j++) {
    own += sign[j] * (Math.abs(place[2 * j]) - Math.abs(place[2 * j + 1])) > 0;
  }
  return own / sign.length;
}
