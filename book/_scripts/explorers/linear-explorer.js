/* The page of the linear model: sliders, losses, accuracies, both times and the edge. */

import { defaults, panel } from "./controls.js";
import * as model from "./linear.js";
import { geometric } from "./numerics.js";
import { beside, chart, delayBand, readable, timeMarks } from "./plot.js";

const LEVEL = model.PAPER_LEVEL;
const PERCENT = "95.45\u00a0%";
const [LEAST, MOST] = [0.03, 1.5]; // λ
const POINTS = 140;

const CONTROLS = [
  {
    kind: "slider", name: "ratio", label: "aspect ratio λ", min: LEAST, max: MOST, step: 0.01,
    value: 0.9,
  },
  {
    kind: "slider", name: "threshold", label: "threshold ε", scale: "log", min: 1e-5, max: 0.5,
    value: 1e-3,
  },
  { kind: "slider", name: "outputs", label: "outputs", options: [1, 2, 3, 5, 10, 20], value: 1 },
  {
    kind: "slider", name: "decay", label: "weight decay γ", scale: "log", zero: true,
    min: 1e-6, max: 1, value: 0,
  },
  { kind: "slider", name: "scale", label: "initial scale α", min: 0, max: 3, step: 0.05, value: 1 },
];
const PLAIN = defaults(CONTROLS);
const PRESETS = {
  kind: "presets",
  label: "Try",
  options: [
    ["the figure above", PLAIN],
    ["more data", { ...PLAIN, ratio: 0.1 }],
    ["just below the edge", { ...PLAIN, ratio: 1.0002 }],
    ["beyond it", { ...PLAIN, ratio: 1.1 }],
    ["weight decay", { ...PLAIN, decay: 0.001 }],
  ],
};

const settingOf = ({ ratio, threshold, outputs, decay, scale }) => ({
  aspectRatio: ratio,
  accuracyThreshold: threshold,
  outputs,
  weightDecay: decay,
  initScale: scale,
});

/* Everything that the charts and the sentence say of one setting. */
export function facts(values) {
  const setting = settingOf(values);
  const times = model.crossingTimes(setting, LEVEL);
  const target = model.lossLevel(setting, LEVEL);
  const last = Math.max(...times.filter(Number.isFinite), 1);
  const decades = Math.max(6, Math.ceil(Math.log10(last) + 0.5));
  const steps = geometric(1, 10 ** decades, POINTS);
  const { train, test } = model.losses(setting, steps);
  return {
    setting, times, target, steps, train, test,
    edge: model.largestRatio(setting, LEVEL),
    limit: model.longTimeLosses(setting)[1],
    initial: (1 + setting.initScale ** 2) / (2 * setting.outputs),
  };
}

/* When one accuracy passes the level, in words. */
function passing(time) {
  if (time === 0) return `is above ${PERCENT} from the start`;
  if (time === Infinity) return `never passes ${PERCENT}`;
  return `passes ${PERCENT} at step ${readable(time)}`;
}

function edgeInWords(edge) {
  if (edge === Infinity) return "Every λ gets there.";
  if (edge < LEAST) return "No λ shown here gets there.";
  return `The edge, beyond which it never does: λ\u00a0=\u00a0${readable(edge, 6)}.`;
}

export function sentence({ times: [train, test], edge, limit, target }) {
  const parts = [`Training accuracy ${passing(train)}, test accuracy ${passing(test)}`];
  if (test === Infinity) {
    parts.push(`: the test loss ends at ${readable(limit)}, and ${readable(target)} is needed. `);
  } else if (test > train) {
    const factor = train ? `, ${readable(test / train)} times as long` : "";
    parts.push(`: a delay of ${readable(test - train)} steps${factor}. `);
  } else {
    parts.push(": no delay. ");
  }
  return parts.join("") + edgeInWords(edge);
}

/* --- The three charts ------------------------------------------------------------------------ */

const step = { label: "step", scale: "log", min: 1 };

function drawLosses(plot, seen) {
  const { steps, train, test, target, initial } = seen;
  const low = 10 ** (Math.floor(Math.log10(Math.min(target, initial))) - 4);
  const said = `Training and test loss against step; ${PERCENT} is reached at a loss of`;
  plot.draw({
    x: { max: steps[POINTS - 1] },
    y: { min: low, max: 2 * Math.max(initial, target) },
    curves: [
      { x: steps, y: train, style: "train", name: "training" },
      { x: steps, y: test, style: "test", name: "test" },
    ],
    marks: [...timeMarks(seen.times), { y: target, label: `loss at ${PERCENT}` }],
    bands: delayBand(seen.times),
    description: `${said} ${readable(target)}.`,
  });
}

function drawAccuracies(plot, seen) {
  const { steps, train, test, setting } = seen;
  const accuracies = (losses) => losses.map((loss) => model.accuracy(loss, setting));
  plot.draw({
    x: { max: steps[POINTS - 1] },
    curves: [
      { x: steps, y: accuracies(train), style: "train", name: "training" },
      { x: steps, y: accuracies(test), style: "test", name: "test" },
    ],
    marks: [...timeMarks(seen.times).map((one) => ({ ...one, label: "" })), { y: LEVEL }],
    bands: delayBand(seen.times),
    description: sentence(seen),
  });
}

function drawTimes(plot, seen, { ratios, train, test }) {
  const { edge, setting, times } = seen;
  const shown = Number.isFinite(edge) && edge > LEAST && edge < MOST;
  const beyond = { from: Math.max(edge, LEAST), to: MOST, name: "never", style: "quiet" };
  const finite = [...train, ...test].filter((time) => time > 0 && time < Infinity);
  const range = { min: Math.min(...finite, 1e3) / 1.5, max: 10 * Math.max(...finite, 1) };
  plot.draw({
    y: range,
    curves: [
      { x: ratios, y: train, style: "train", name: "training" },
      { x: ratios, y: test, style: "test", name: "test" },
      { x: [setting.aspectRatio], y: [times[0]], style: "train", kind: "points" },
      { x: [setting.aspectRatio], y: [times[1]], style: "test", kind: "points" },
    ],
    marks: [
      { x: setting.aspectRatio, style: "accent", label: `λ = ${readable(setting.aspectRatio, 6)}` },
      ...(shown ? [{ x: edge, label: `edge ${readable(edge, 6)}` }] : []),
    ],
    bands: edge < MOST ? [beyond] : [],
    description: `Time to ${PERCENT} against the aspect ratio. ${edgeInWords(edge)}`,
  });
}

/* The curves over λ take longer than a frame: they follow in the next one, once a change. */
function sweeper(draw) {
  let [known, swept, waiting] = ["", null, 0];
  return (seen) => {
    const { aspectRatio, ...rest } = seen.setting;
    const key = JSON.stringify(rest);
    clearTimeout(waiting);
    if (key === known) draw(seen, swept);
    else {
      waiting = setTimeout(() => {
        [known, swept] = [key, model.timesOverRatio(seen.setting, MOST, LEVEL)];
        draw(seen, swept);
      }, 30);
    }
  };
}

export function start(element, asked) {
  const losses = chart({ name: "Losses", x: step, y: { label: "loss", scale: "log" } });
  const upright = { label: "accuracy", min: 0, max: 1.05 };
  const accuracies = chart({ name: "Accuracies", x: step, y: upright });
  const over = chart({
    name: "Both times against the aspect ratio",
    x: { label: "aspect ratio λ", min: LEAST, max: MOST },
    y: { label: `step at ${PERCENT}`, scale: "log" },
    height: 240,
  });
  const sweep = sweeper((seen, swept) => drawTimes(over, seen, swept));
  const draw = (values) => {
    const seen = facts(values);
    drawLosses(losses, seen);
    drawAccuracies(accuracies, seen);
    form.say(sentence(seen));
    sweep(seen);
  };
  const form = panel([...CONTROLS, PRESETS], draw, asked);
  over.element.classList.add("wide");
  element.replaceChildren(form.element, beside(losses, accuracies, over));
  draw(form.values);
}
