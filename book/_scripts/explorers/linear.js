/* The linear model in the limit of many dimensions, as grokbook.linear.theory has it; no DOM.

   A setting is { aspectRatio, outputs, learningRate, accuracyThreshold, weightDecay, initScale }:
   λ, d_out, η, ε, γ, α; what is missing is as in `SETTING`.

   losses(setting, steps)          { train, test }: mean losses at rising steps
   longTimeLosses(setting)         [train, test] for t → ∞
   accuracy(loss, setting)         share of samples with a squared error per output below ε
   lossLevel(setting, level)       the loss at which the accuracy is `level`
   crossingTimes(setting, level)   [memorisation, generalisation] in steps; may be 0, Infinity
   largestRatio(setting, level)    λ_max, from which on the test accuracy never reaches the level */

import { gammaP, gammaPInverse, geometric, root } from "./numerics.js";

export const SETTING = {
  aspectRatio: 0.9,
  outputs: 1,
  learningRate: 0.01,
  accuracyThreshold: 1e-3,
  weightDecay: 0,
  initScale: 1,
};
export const PAPER_LEVEL = gammaP(0.5, 2); // erf(√2) = 0.9545: the loss ε / 4 at one output

const FINEST = 1e-30; // smallest eigenvalue scale that the average resolves in double precision
const NEGLIGIBLE = 38; // e^-38 = 3e-17: what is dropped, relative to the result

const nullFraction = (ratio) => Math.max(0, 1 - 1 / ratio);

/* 1 - √λ, exact near 1. */
const edgeGap = (ratio) => (1 - ratio) / (1 + Math.sqrt(ratio));

const complete = (setting) => ({ ...SETTING, ...setting });

/* --- The Marchenko-Pastur average ------------------------------------------------------------ */

/* Where the integrand has become negligible towards the lower edge. */
function firstY(gap, depth) {
  const resolved = -0.5 * depth;
  const belowGap = gap ? Math.min(resolved, 0.5 * Math.log(gap)) : -Infinity;
  return Math.max(resolved - NEGLIGIBLE, (resolved + 2 * belowGap - NEGLIGIBLE) / 3);
}

/* A trapezoidal sum, even in the log distance to either edge of the spectrum. */
export function spectralNodes(ratio, scale) {
  const width = 4 * Math.sqrt(ratio);
  const low = edgeGap(ratio) ** 2;
  const depth = Math.log1p(width / scale);
  const spacing = (0.5 * Math.PI ** 2) / (NEGLIGIBLE + 1.5 * depth);
  const first = firstY(low / width, depth);
  const count = Math.ceil((NEGLIGIBLE / 3 - first) / spacing);
  const atom = ratio > 1 ? 1 : 0;
  const nodes = new Float64Array(count + atom);
  const weights = new Float64Array(count + atom);
  for (let k = 0; k < count; k += 1) {
    const y = first + k * spacing;
    nodes[k] = low + width / (1 + Math.exp(-2 * y));
    weights[k] = (2 * spacing) / (Math.PI * nodes[k] * Math.cosh(y) ** 3);
  }
  if (atom) weights[count] = nullFraction(ratio);
  return { nodes, weights };
}

/* Nodes and weights that resolve every step up to the last. */
function rule({ aspectRatio, outputs, learningRate, weightDecay }, last) {
  let scale = 1 / Math.max(1, (4 * learningRate * last) / outputs);
  if (weightDecay) scale = Math.min(scale, weightDecay / 2);
  if (scale < FINEST) throw new RangeError(`step ${last} is too late to be resolved`);
  return spectralNodes(aspectRatio, scale);
}

/* Mean losses at one step: student and teacher each have mean squared norm 1/2. */
function meanLosses({ outputs, learningRate, weightDecay, initScale }, step, { nodes, weights }) {
  const shift = weightDecay / 2;
  const rate = ((2 * learningRate) / outputs) * step;
  const power = initScale ** 2;
  let [train, test] = [0, 0];
  for (let k = 0; k < nodes.length; k += 1) {
    const node = nodes[k];
    const kept = Math.exp(-rate * (node + shift));
    const teacher = shift ? (node * kept + shift) / (node + shift) : kept;
    const part = weights[k] * (power * kept * kept + teacher * teacher);
    train += part * node;
    test += part;
  }
  return [train / (2 * outputs), test / (2 * outputs)];
}

export function losses(given, steps) {
  const setting = complete(given);
  const nodes = rule(setting, steps[steps.length - 1]);
  const both = Array.from(steps, (step) => meanLosses(setting, step, nodes));
  return { train: both.map(([train]) => train), test: both.map(([, test]) => test) };
}

/* --- Limits, accuracy and times -------------------------------------------------------------- */

export function longTimeLosses(given) {
  const { aspectRatio: ratio, outputs, weightDecay, initScale } = complete(given);
  const shift = weightDecay / 2;
  if (!shift) return [0, (nullFraction(ratio) * (1 + initScale ** 2)) / (2 * outputs)];
  // Stieltjes transform m = E[1 / (ν + g)], the root of λ g m² + (1 - λ + g) m = 1.
  const gap = 1 - ratio + shift;
  const middle = Math.sqrt(gap ** 2 + 4 * ratio * shift);
  const stieltjes = gap > 0 ? 2 / (gap + middle) : (middle - gap) / (2 * ratio * shift);
  // 1 - λ + λ g m, without cancellation on either side of 1.
  const rest = ratio < 1
    ? 1 - ratio + ratio * shift * stieltjes
    : (2 * shift) / (middle + ratio - 1 + shift);
  const factor = (0.5 * shift ** 2 * stieltjes) / (outputs * middle);
  return [factor * rest, factor * (1 + ratio * stieltjes)];
}

export function accuracy(loss, given) {
  const { outputs, accuracyThreshold } = complete(given);
  return gammaP(outputs / 2, (outputs * accuracyThreshold) / (2 * loss));
}

export function lossLevel(given, level = PAPER_LEVEL) {
  const { outputs, accuracyThreshold } = complete(given);
  return (outputs * accuracyThreshold) / (2 * gammaPInverse(outputs / 2, level));
}

function timeOfLoss(setting, which, target) {
  const at = (step, nodes) => meanLosses(setting, step, nodes)[which];
  if (at(0, rule(setting, 0)) <= target) return 0;
  if (longTimeLosses(setting)[which] >= target) return Infinity;
  const unit = setting.outputs / setting.learningRate;
  // One rule serves all steps before its last: few are made.
  let [early, late] = [0, 1e4];
  let nodes = rule(setting, late * unit);
  while (at(late * unit, nodes) > target) {
    [early, late] = [late, late * 1e5];
    nodes = rule(setting, late * unit);
  }
  const excess = (log) => Math.log(at(Math.expm1(log) * unit, nodes) / target);
  return Math.expm1(root(excess, Math.log1p(early), Math.log1p(late))) * unit;
}

export function crossingTimes(given, level = PAPER_LEVEL) {
  const setting = complete(given);
  const target = lossLevel(setting, level);
  return [0, 1].map((which) => timeOfLoss(setting, which, target));
}

/* Without decay 1 / (1 - L* / L_0): λ_max = 1 / (1 - ε / 4) at one output. */
export function largestRatio(given, level = PAPER_LEVEL) {
  const setting = complete(given);
  const target = lossLevel(setting, level);
  const initial = (1 + setting.initScale ** 2) / (2 * setting.outputs);
  if (target >= initial) return Infinity;
  if (!setting.weightDecay) return 1 / (1 - target / initial);
  const excess = (log) =>
    Math.log(longTimeLosses({ ...setting, aspectRatio: Math.exp(log) })[1] / target);
  if (excess(-30) >= 0) return 0;
  return excess(30) <= 0 ? Infinity : Math.exp(root(excess, -30, 30));
}

/* --- What the chart over λ shows ------------------------------------------------------------- */

/* Both times over λ up to `most`, denser towards the edge from below. */
export function timesOverRatio(given, most, level = PAPER_LEVEL, count = 44) {
  const edge = largestRatio(given, level);
  const peak = Math.min(edge, most);
  const near = geometric(1, 1e-4, count).map((one) => peak * (1 - one * 0.97));
  const above = edge < most ? [edge, 0.5 * (edge + most), most] : [];
  const ratios = [...near, ...above];
  const times = ratios.map((aspectRatio) => crossingTimes({ ...given, aspectRatio }, level));
  return { ratios, train: times.map(([train]) => train), test: times.map(([, test]) => test) };
}
