/* The page of the recorded path: alpha shifts it, lambda stretches it, a slider follows it. */

import { recorded } from "./boot.js";
import { defaults, panel } from "./controls.js";
import { beside, chart, readable } from "./plot.js";
import { at, scaleAt, scaleOf, stepAt, unpack } from "./scale.js";

const RATE = 0.01;
const LEVEL = 0.95;
const [LEAST, MOST] = [0.3, 100]; // alpha
const POINTS = 160;
const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

const CONTROLS = [
  {
    kind: "slider", name: "start", label: "initial scale α", scale: "log", min: LEAST, max: MOST,
    value: 10,
  },
  {
    kind: "slider", name: "decay", label: "weight decay λ", scale: "log", min: 1e-5, max: 1e-2,
    value: 1e-3,
  },
  {
    kind: "slider", name: "scale", label: "scale now, s", scale: "log", min: 1e-3, max: MOST,
    value: 0.3,
  },
];
const PLAIN = defaults(CONTROLS);
const PRESETS = {
  kind: "presets",
  label: "Try",
  options: [
    ["α = 10", PLAIN],
    ["ten times the start", { ...PLAIN, start: 100 }],
    ["ten times the decay", { ...PLAIN, decay: 1e-2 }],
    ["the lazy phase", { ...PLAIN, scale: 5 }],
    ["in between", { ...PLAIN, scale: 0.1 }],
    ["the rich phase", { ...PLAIN, scale: 0.003 }],
  ],
};

/* Everything that the charts and the sentence say of one setting. */
export function facts(values, run) {
  const setting = { start: values.start, decay: values.decay, rate: RATE };
  const scale = Math.min(values.scale, values.start); // the run comes from above
  const last = stepAt(run.scale[0], { ...setting, start: MOST }); // the same for every alpha
  const first = stepAt(run.scale[0], setting);
  const steps = Array.from({ length: POINTS }, (_, k) => (first * k) / (POINTS - 1));
  const scales = steps.map((step) => scaleAt(step, setting));
  return {
    setting, scale, steps, last,
    step: stepAt(scale, setting),
    level: stepAt(scaleOf(LEVEL, run), setting),
    train: scales.map((one) => at(run.train, one, run)),
    test: scales.map((one) => at(run.test, one, run)),
    now: { test: at(run.test, scale, run), share: at(run.share, scale, run) },
  };
}

export function sentence({ setting: { start, decay }, scale, step, level, now }) {
  const constant = RATE * decay * level - Math.log(start);
  return `From α\u00a0=\u00a0${readable(start)} the scale has come down to ${readable(scale)} ` +
    `after ${readable(step)} steps. The test accuracy is ${percent(now.test)}, and the three ` +
    `coordinates that matter hold ${percent(now.share)} of the weights’ sum. ` +
    `${percent(LEVEL)} comes at step ${readable(level)}: ηλT\u00a0= ln\u00a0α\u00a0+ ` +
    `${readable(constant)}, whatever α. The run is one at λ\u00a0=\u00a010⁻⁴; ten times the ` +
    "decay adds about a tenth to that number, which is left out here.";
}

/* --- The two charts -------------------------------------------------------------------------- */

function drawAccuracies(plot, seen) {
  const { steps, train, test, step, level, now } = seen;
  plot.draw({
    x: { min: 0, max: seen.last },
    curves: [
      { x: steps, y: train, style: "train", name: "training" },
      { x: steps, y: test, style: "test", name: "test" },
      { x: [step], y: [now.test], kind: "points", style: { colour: "currentColor", width: 9 } },
    ],
    marks: [
      { x: step, style: "plain", label: "now" },
      { x: level, style: "test", label: readable(level) },
    ],
    bands: [{ from: 0, to: level, name: "delay" }],
    description: sentence(seen),
  });
}

/* Weights at the present scale: the recorded ones on either side, on a line in ln s. */
function weightsAt(run, scale) {
  return run.weights[0].map((_, j) => at(run.weights.map((one) => one[j]), scale, run));
}

function drawWeights(plot, { scale, now }, run) {
  const weights = Array.from(weightsAt(run, scale), Math.abs), k = run.signal;
  const x = weights.map((_, j) => j + 1);
  plot.draw({
    x: { min: 0, max: weights.length + 1 },
    y: { min: 0, max: 1.08 * Math.max(...weights) },
    curves: [
      { x: x.slice(0, k), y: weights.slice(0, k), kind: "stems", style: "test", name: "signal" },
      { x: x.slice(k), y: weights.slice(k), kind: "stems", style: "train", name: "other" },
    ],
    description: `Sizes of the three weights that carry the signal and of ${weights.length - k} ` +
      `of the others at scale ${readable(scale)}: the three hold ${percent(now.share)} of the sum.`,
  });
}

export async function start(element, asked) {
  const run = unpack(await recorded("scale"));
  const accuracies = chart({
    name: "Training and test accuracy against step",
    x: { label: "step" },
    y: { label: "accuracy", min: 0.4, max: 1.05 },
  });
  const weights = chart({
    name: "Sizes of the weights at this scale",
    x: { label: "coordinate" },
    y: { label: "size of the weight" },
  });
  const draw = (values) => {
    const seen = facts(values, run);
    drawAccuracies(accuracies, seen);
    drawWeights(weights, seen, run);
    form.say(sentence(seen));
  };
  const form = panel([...CONTROLS, PRESETS], draw, asked);
  element.replaceChildren(form.element, beside(accuracies, weights));
  draw(form.values);
}
