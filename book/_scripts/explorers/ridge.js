/* Ridge regression by gradient descent, as grokbook.decay.ridge_theory has it; no DOM.

   A setting is { nTrain, nFeatures, weightDecay, learningRate, initVariance, teacherNorm,
   labelNoise, threshold }: n, m, λ, η, ν², ‖θ*‖, σ, c; what is missing is as in `SETTING`.

   losses(setting, steps)   { train, test }: mean losses; only the train loss has the factor 1/2
   share(loss, setting)     share of samples with a squared error below c, for a test loss
   nullLoss(setting)        test loss of the predictor 0
   floor(setting)           test loss in the end, for a small λ
   criticalNoise(setting)   the σ at which that is c
   sharpTime(setting)       t₂ in closed form
   times(setting)           [t₁, t₂]: where train and test loss reach c; may be 0, Infinity */

import { gammaP, geometric, root } from "./numerics.js";

export const SETTING = {
  nTrain: 100,
  nFeatures: 1000,
  weightDecay: 1e-4,
  learningRate: 1,
  initVariance: 1,
  teacherNorm: 1,
  labelNoise: 0,
  threshold: 0.01,
};

const FEWEST_NODES = 400;
const HORIZON = 1e9;
// Where a crossing is looked for before its root is found.
const GRID = [0, ...geometric(1e-3, HORIZON, 200)];

const complete = (setting) => ({ ...SETTING, ...setting });

/* Gauss-Chebyshev nodes and weights of the Marchenko-Pastur law of the n eigenvalues. */
function spectrum({ nTrain, nFeatures }) {
  const ratio = nTrain / nFeatures, edge = Math.sqrt(ratio);
  const size = Math.max(FEWEST_NODES, Math.ceil(45 / -Math.log(ratio)));
  const nodes = new Float64Array(size), weights = new Float64Array(size);
  for (let k = 0; k < size; k += 1) {
    const angle = ((k + 1) * Math.PI) / (size + 1);
    nodes[k] = (1 - edge) ** 2 + 4 * edge * Math.cos(angle / 2) ** 2;
    weights[k] = (2 * Math.sin(angle) ** 2) / ((size + 1) * nodes[k]);
  }
  return { nodes, weights };
}

/* A function of the step that returns [train loss, test loss]. */
function lossAt(setting) {
  const { nTrain, nFeatures, weightDecay, learningRate, initVariance, labelNoise } = setting;
  const { nodes, weights } = spectrum(setting);
  const teacher = nullLoss(setting), power = labelNoise ** 2, ratio = nTrain / nFeatures;
  const rate = nodes.map((node) => Math.log1p(-learningRate * (node / nTrain + weightDecay)));
  const reached = nodes.map((node) => node / (node + nTrain * weightDecay));
  const clock = 2 * Math.log1p(-learningRate * weightDecay);
  return (step) => {
    let [train, seen] = [0, 0];
    for (let k = 0; k < nodes.length; k += 1) {
      const kept = Math.exp(step * rate[k]), part = weights[k], learnt = (1 - kept) * reached[k];
      const error = initVariance * kept * kept + teacher * (1 - learnt) ** 2;
      train += part * (error * nodes[k] + power * (1 - learnt) ** 2);
      seen += part * (error + (power * learnt ** 2) / nodes[k]);
    }
    const unseen = initVariance * Math.exp(step * clock) + teacher;
    return [0.5 * train, ratio * seen + (1 - ratio) * unseen];
  };
}

export function losses(given, steps) {
  const both = Array.from(steps, lossAt(complete(given)));
  return { train: both.map(([train]) => train), test: both.map(([, test]) => test) };
}

export const share = (loss, given) => gammaP(0.5, complete(given).threshold / (2 * loss));

export function nullLoss(given) {
  const { teacherNorm, nFeatures } = complete(given);
  return teacherNorm ** 2 / nFeatures;
}

export function floor(given) {
  const { nTrain, nFeatures, labelNoise } = complete(given), ratio = nTrain / nFeatures;
  return (1 - ratio) * nullLoss(given) + (labelNoise ** 2 * ratio) / (1 - ratio);
}

export function criticalNoise(given) {
  const { nTrain, nFeatures, threshold } = complete(given), ratio = nTrain / nFeatures;
  const room = threshold - (1 - ratio) * nullLoss(given);
  return Math.sqrt((Math.max(room, 0) * (1 - ratio)) / ratio);
}

export function sharpTime(given) {
  const { nTrain, nFeatures, threshold, initVariance, learningRate, weightDecay } = complete(given);
  const room = threshold - floor(given);
  if (room <= 0) return Infinity;
  const factor = ((1 - nTrain / nFeatures) * initVariance) / room;
  return factor <= 1 ? 0 : Math.log(factor) / (-2 * Math.log1p(-learningRate * weightDecay));
}

export function times(given) {
  const setting = complete(given), at = lossAt(setting), both = GRID.map(at);
  return [0, 1].map((which) => {
    const first = both.findIndex((one) => one[which] <= setting.threshold);
    if (first <= 0) return first < 0 ? Infinity : 0;
    const excess = (step) => at(step)[which] - setting.threshold;
    return root(excess, GRID[first - 1], GRID[first]);
  });
}
