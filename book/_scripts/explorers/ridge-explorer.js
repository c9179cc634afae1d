/* The page of ridge regression: sliders, both losses with the predictor 0, shares, both times. */

import { defaults, panel } from "./controls.js";
import { geometric } from "./numerics.js";
import { beside, chart, delayBand, readable, timeMarks } from "./plot.js";
import * as model from "./ridge.js";

const POINTS = 120;
const M = model.SETTING.nFeatures;

const CONTROLS = [
  {
    kind: "slider", name: "decay", label: "weight decay λ", scale: "log", min: 1e-6, max: 1e-2,
    value: 1e-4,
  },
  {
    kind: "slider", name: "samples", label: "samples per feature n/m", min: 0.02, max: 0.8,
    step: 0.02, value: 0.1,
  },
  {
    kind: "slider", name: "variance", label: "initial variance ν²", scale: "log", min: 0.01,
    max: 1e4, value: 1,
  },
  { kind: "slider", name: "noise", label: "label noise σ", min: 0, max: 0.5, step: 0.01, value: 0 },
  {
    kind: "slider", name: "threshold", label: "threshold c", scale: "log", min: 1e-4, max: 0.1,
    value: 0.01,
  },
];
const PLAIN = defaults(CONTROLS);
const PRESETS = {
  kind: "presets",
  label: "Try",
  options: [
    ["the paper’s setting", PLAIN],
    ["ten times the decay", { ...PLAIN, decay: 1e-3 }],
    ["a hundred times the start", { ...PLAIN, variance: 1e4 }],
    ["noise that stops the clock", { ...PLAIN, noise: 0.3 }],
    ["a threshold that asks for the teacher", { ...PLAIN, threshold: 5e-4 }],
  ],
};

const settingOf = ({ decay, samples, variance, noise, threshold }) => ({
  ...model.SETTING,
  nTrain: Math.round(samples * M),
  weightDecay: decay,
  initVariance: variance,
  labelNoise: noise,
  threshold,
});

/* Everything that the charts and the sentence say of one setting. */
export function facts(values) {
  const setting = settingOf(values), times = model.times(setting);
  const last = Math.max(...times.filter(Number.isFinite), 3 / setting.weightDecay);
  const steps = geometric(1, 10 ** Math.ceil(Math.log10(last) + 0.2), POINTS);
  const { train, test } = model.losses(setting, steps);
  return { setting, times, steps, train, test, nothing: model.nullLoss(setting) };
}

function reached(name, time) {
  if (time === 0) return `the ${name} loss is below c from the start`;
  return time === Infinity
    ? `the ${name} loss does not come below c by step 10⁹`
    : `the ${name} loss comes below c at step ${readable(time)}`;
}

export function sentence({ setting, times: [train, test], nothing }) {
  const both = `${reached("training", train)}, ${reached("test", test)}`;
  const parts = [both[0].toUpperCase() + both.slice(1)];
  parts.push(Number.isFinite(test) && train ? `, ${readable(test / train)} times as late. ` : ". ");
  const c = setting.threshold;
  if (nothing <= c) {
    parts.push(`The predictor 0 passes too: its test loss is ${readable(nothing)}. `);
  } else {
    parts.push(`The predictor 0, with a test loss of ${readable(nothing)}, does not pass: ` +
      "the teacher would have to be learnt. ");
  }
  const noise = model.criticalNoise(setting), end = model.floor(setting);
  parts.push(noise
    ? `The clock stops at a label noise of ${readable(noise)}.`
    : `No noise is small enough: the test loss ends near ${readable(end)}.`);
  return parts.join("");
}

/* --- The two charts -------------------------------------------------------------------------- */

/* A delay without an end is not shaded: the training loss's mark stands alone. */
const shaded = ({ times }) => (Number.isFinite(times[1]) ? delayBand(times) : []);

function drawLosses(plot, seen) {
  const { steps, train, test, nothing, setting } = seen, c = setting.threshold;
  plot.draw({
    x: { max: steps[POINTS - 1] },
    y: { min: Math.min(c, nothing) / 300, max: 3 * Math.max(train[0], test[0], c) },
    curves: [
      { x: steps, y: train, style: "train", name: "training" },
      { x: steps, y: test, style: "test", name: "test" },
    ],
    marks: [
      ...timeMarks(seen.times),
      { y: c, label: "c" },
      { y: nothing, style: "accent", label: "predictor 0" },
    ],
    bands: shaded(seen),
    description: `Training and test loss against step, with the threshold c at ${readable(c)} ` +
      `and the test loss of the predictor 0 at ${readable(nothing)}.`,
  });
}

function drawShares(plot, seen) {
  const { steps, train, test, setting, nothing } = seen;
  // The training loss has the factor 1/2, the error's variance has not.
  const shares = (losses, factor) => losses.map((loss) => model.share(factor * loss, setting));
  plot.draw({
    x: { max: steps[POINTS - 1] },
    curves: [
      { x: steps, y: shares(train, 2), style: "train", name: "training" },
      { x: steps, y: shares(test, 1), style: "test", name: "test" },
    ],
    marks: [
      ...timeMarks(seen.times).map((one) => ({ ...one, label: "" })),
      { y: model.share(nothing, setting), style: "accent", label: "predictor 0" },
    ],
    bands: shaded(seen),
    description: sentence(seen),
  });
}

export function start(element, asked) {
  const step = { label: "step", scale: "log", min: 1 };
  const losses = chart({ name: "Losses", x: step, y: { label: "loss", scale: "log" } });
  const shares = chart({
    name: "Shares of answers with a squared error below c",
    x: step,
    y: { label: "share right", min: 0, max: 1.05 },
  });
  const draw = (values) => {
    const seen = facts(values);
    drawLosses(losses, seen);
    drawShares(shares, seen);
    form.say(sentence(seen));
  };
  const form = panel([...CONTROLS, PRESETS], draw, asked);
  element.replaceChildren(form.element, beside(losses, shares));
  draw(form.values);
}
