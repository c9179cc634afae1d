/* Two points on a line, solved in closed form, as grokbook.logistic.toy has it; no DOM.

   A setting is { gap, noise, rate }: e = 1 - 2λ in [-1, 1), σ and the learning rate η.  The clock
   is the depth β = -b; times are natural logarithms, for they reach e^3000.

   spreadAt(depth, setting)       s = σS, the standard deviation of the output
   logStepAt(depth, setting)      log t
   path(depths, setting, close)   { depth, spread, logStep, logTrainLoss, logTestLoss, accuracy };
                                  faster where the depths rise and are `close`, from > 0 on
   depthAt(logStep, setting)      the depth at a time
   logTimeToRatio(z, setting)     log t from which β / s stays above z; ∓Infinity: at once, never
   logTimeToAccuracy(level, …)    the same for an accuracy Φ(z)
   startRatio, endRatio(setting)  β / s at the first instant, and for t → ∞
   restingSpread(gap)             s for t → ∞
   edgeRatio(level, noise)        λ_c, beyond which the accuracy never reaches the level
   direction(setting)             the direction (S, b) in the end: w_SVM */

import { normal, normalInverse, root } from "./numerics.js";

const NODES = [0.1834346424956498, 0.525532409916329, 0.7966664774136267, 0.9602898564975363];
const WEIGHTS = [0.362683783378362, 0.31370664587788727, 0.22238103445337448, 0.10122853629037626];
const TINY = 1e-12;

/* log(e^a + e^b). */
const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/* log L_0, the loss without its factor e^-β. */
const logNoBiasLoss = (spread, gap) => logSum(-spread, gap * spread) - Math.LN2;

/* --- The solution ---------------------------------------------------------------------------- */

/* ω with ω + log ω = x, for x >= 1 (Halley). */
function omega(x) {
  let w = x - Math.log(x);
  for (let k = 0; k < 4; k += 1) {
    const off = x - w - Math.log(w);
    w *= 1 + (off / (1 + w)) * (1 + off / (2 * (1 + w) ** 2));
  }
  return w;
}

/* s with -log(1 - e e^((1+e) s)) / e = q. */
function spreadOf(q, gap) {
  const size = Math.abs(gap);
  const inner = size * q < TINY ? Math.log(q) : Math.log(-Math.expm1(-size * q) / size);
  return (inner + (gap < 0 ? size * q : 0)) / (1 + gap);
}

/* ds/dq. */
function slopeOf(q, gap) {
  const size = Math.abs(gap);
  const decay = size * q < TINY ? 1 / q : size / -Math.expm1(-size * q);
  return (gap < 0 ? decay : decay * Math.exp(-size * q)) / (1 + gap);
}

/* Newton's method on q + s(q) = g(0) + σ² β, from the left, where it converges monotonically. */
export function spreadAt(depth, { gap, noise }) {
  const origin = Math.abs(gap) < TINY ? 1 : -Math.log1p(-gap) / gap;
  const total = origin + noise * noise * depth;
  if (gap === -1) return Math.max(0, total - origin);
  let q = gap >= 0 ? Math.max(omega(Math.max(total, 1)), origin) : origin;
  for (let k = 0; k < 60; k += 1) {
    const change = (total - q - spreadOf(q, gap)) / (1 + slopeOf(q, gap));
    q = Math.max(q + change, origin);
    if (Math.abs(change) <= 4e-16 * q) break;
  }
  return Math.max(0, spreadOf(q, gap));
}

/* Panels that shrink geometrically towards both ends: the integrand decays over 1 / (1 + M²) below
   the top, and s starts over 1 / σ². */
function panels(depth, { gap, noise }) {
  const half = depth / 2;
  const doublings = Math.ceil(Math.log2(1 + (noise * Math.min(gap, 0)) ** 2)) + 4;
  const halvings = Math.ceil(Math.log2(1 + noise ** 2 * depth)) + 4;
  const edges = [0];
  for (let k = -doublings; k < 7 && edges[edges.length - 1] < half; k += 1) {
    edges.push(Math.min(half, 2 ** k));
  }
  if (edges[edges.length - 1] < half) edges.push(half);
  for (let k = 1; k <= halvings; k += 1) edges.push(depth - half * 0.5 ** k);
  edges.push(depth);
  return edges;
}

/* ∫ e^(β' - β) L_0(β) / L_0(β') dβ' over the panels below β, each from edges[k - 1] to edges[k]. */
function integral(depth, edges, setting) {
  const last = logNoBiasLoss(spreadAt(depth, setting), setting.gap);
  const integrand = (below) => {
    const spread = spreadAt(Math.max(0, depth - below), setting);
    return Math.exp(last - logNoBiasLoss(spread, setting.gap) - below);
  };
  let sum = 0;
  for (let k = 1; k < edges.length; k += 1) {
    const [middle, half] = [(edges[k] + edges[k - 1]) / 2, (edges[k] - edges[k - 1]) / 2];
    // Of what lies so far below the top, nothing is left in double precision.
    if (edges[k - 1] > 60 && half > 0 && integrand(edges[k - 1]) < 1e-18 * sum) continue;
    for (let j = 0; j < NODES.length; j += 1) {
      const off = half * NODES[j];
      sum += half * WEIGHTS[j] * (integrand(middle - off) + integrand(middle + off));
    }
  }
  return depth - last + Math.log(sum);
}

/* log of t = ∫ e^β' dβ' / (η L_0) over β' from 0 to β, by Gauss-Legendre panels. */
export function logStepAt(depth, setting) {
  if (!(depth > 0)) return -Infinity;
  return integral(depth, panels(depth, setting), setting) - Math.log(setting.rate ?? 1);
}

/* The same at rising depths, of which each but the first is at most some times the one before: each
   time goes on from the last. */
function logStepsAlong(depths, setting) {
  const rise = 1 + (setting.noise * Math.min(setting.gap, 0)) ** 2; // of log t with depth, at most
  const found = [logStepAt(depths[0], setting)];
  for (let k = 1; k < depths.length; k += 1) {
    const reach = Math.min(depths[k] - depths[k - 1], 45 / rise + 5); // the rest counts for nothing
    const count = Math.max(1, Math.ceil((reach * rise) / 3));
    const edges = Array.from({ length: count + 1 }, (_, j) => (reach * j) / count);
    const added = integral(depths[k], edges, setting) - Math.log(setting.rate ?? 1);
    found.push(logSum(found[k - 1], added));
  }
  return found;
}

export function path(depths, setting, close = false) {
  const depth = Array.from(depths);
  const spread = depth.map((one) => spreadAt(one, setting));
  return {
    depth,
    spread,
    logStep: close
      ? logStepsAlong(depth, setting)
      : depth.map((one) => logStepAt(one, setting)),
    logTrainLoss: depth.map((one, k) => logNoBiasLoss(spread[k], setting.gap) - one),
    logTestLoss: depth.map((one, k) => spread[k] ** 2 / 2 - one),
    accuracy: depth.map((one, k) => normal(one === 0 ? 0 : one / spread[k])),
  };
}

/* L_0 never exceeds its start, 1, so that β <= log(1 + η t). */
export function depthAt(logStep, setting) {
  const most = logSum(0, logStep + Math.log(setting.rate ?? 1));
  const excess = (depth) => logStepAt(depth, setting) - logStep;
  return excess(most) <= 0 ? most : root(excess, 0, most);
}

/* --- Limits and times ------------------------------------------------------------------------ */

export function restingSpread(gap) {
  return gap > 0 ? -Math.log(gap) / (1 + gap) : Infinity;
}

export const startRatio = ({ gap, noise }) => 2 / (noise ** 2 * (1 - gap));

export const endRatio = ({ gap, noise }) => (gap < 0 ? 1 / (noise ** 2 * -gap) : Infinity);

/* β = z s: as g is convex, the excess β - z s starts at 0, falls, and has one positive root. */
export function logTimeToRatio(z, setting) {
  if (!(startRatio(setting) < z)) return -Infinity;
  if (!(endRatio(setting) > z)) return Infinity;
  const excess = (depth) => depth - z * spreadAt(depth, setting);
  let high = 1;
  while (excess(high) < 0) high *= 2;
  let low = high / 2;
  while (excess(low) >= 0) [high, low] = [low, low / 2];
  return logStepAt(root(excess, low, high), setting);
}

export function logTimeToAccuracy(level, setting) {
  return logTimeToRatio(normalInverse(level), setting);
}

export function edgeRatio(level, noise) {
  return (1 + 1 / (noise ** 2 * normalInverse(level))) / 2;
}

/* The point closest to the origin with S x + b <= -1 for both points. */
export function direction({ gap, noise }) {
  const margin = noise * Math.max(-gap, 0);
  return [margin / (1 + margin ** 2), -1 / (1 + margin ** 2)];
}
