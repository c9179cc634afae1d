/* The page of the two points: the line, the plane of weight and bias, accuracy, and the edge. */

import { defaults, panel } from "./controls.js";
import { geometric, normal, normalInverse } from "./numerics.js";
import { beside, chart, readable, tenTo } from "./plot.js";
import * as toy from "./toy.js";

const RATE = 0.01; // η, as in the chapter's first figure
const [LEAST, MOST] = [0.3, 0.7]; // λ
const POINTS = 50;
const SOON = 12; // decades that are always shown
const FAR = 40; // decades shown where the level is never reached
const DECADE = Math.LN10;

const CONTROLS = [
  {
    kind: "slider", name: "ratio", label: "first example λ", min: LEAST, max: MOST, step: 0.001,
    value: 0.495,
  },
  {
    kind: "slider", name: "noise", label: "noise σ", scale: "log", min: 0.5, max: 300, value: 5,
  },
  {
    kind: "slider", name: "level", label: "level A*", options: [0.8, 0.9, 0.95, 0.99, 0.999],
    value: 0.95,
  },
];
const PLAIN = defaults(CONTROLS);
const PRESETS = {
  kind: "presets",
  label: "Try",
  options: [
    ["the figure above", PLAIN],
    ["one half", { ...PLAIN, ratio: 0.5 }],
    ["just below the edge", { ...PLAIN, ratio: 0.512 }],
    ["beyond it", { ...PLAIN, ratio: 0.52 }],
    ["little noise", { ...PLAIN, noise: 1 }],
  ],
};

/* log10 t of a natural logarithm, with what comes before the first step at it. */
const decades = (log) => Math.max(0, log / DECADE);

/* log(e^x - 1) and its inverse: evenly spaced in the first, depths have evenly spaced times. */
const stretched = (depth) => (depth > 30 ? depth : Math.log(Math.expm1(depth)));
const shrunk = (x) => (x > 30 ? x : Math.log1p(Math.exp(x)));

/* Depths whose times are spread over the first decades, and as many over those up to `last`. */
function depths(setting, last) {
  const [first, soon, end] = [0, SOON, last].map((one) =>
    stretched(toy.depthAt(one * DECADE, setting)),
  );
  const between = (from, to) =>
    Array.from({ length: POINTS }, (_, k) => shrunk(from + ((to - from) * k) / (POINTS - 1)));
  const shown = between(first, soon);
  return last > SOON ? [...shown, ...between(soon, end).slice(1)] : shown;
}

/* Everything that the charts and the sentence say of one setting. */
export function facts({ ratio, noise, level }) {
  const setting = { gap: 1 - 2 * ratio, noise, rate: RATE };
  const train = setting.gap > 0 ? toy.logTimeToRatio(setting.gap, setting) : -Infinity;
  const test = toy.logTimeToAccuracy(level, setting);
  const late = Number.isFinite(test) ? test / DECADE : test === Infinity ? FAR / 1.25 : 0;
  const last = Math.max(SOON, Math.ceil(1.25 * late));
  const path = toy.path(depths(setting, last), setting, true);
  return {
    ratio, noise, level, setting, last, path,
    times: [decades(train), decades(test)],
    z: normalInverse(level),
    ends: normal(toy.endRatio(setting)),
    edge: toy.edgeRatio(level, noise),
  };
}

/* --- In words -------------------------------------------------------------------------------- */

const percent = (share) => `${readable(100 * share, 3)}\u00a0%`;

function when(time) {
  if (time === Infinity) return "never";
  return time === 0 ? "from the first step" : `at step ${tenTo(time)}`;
}

export function sentence({ times: [train, test], level, ends, edge, ratio }) {
  const right = when(train).replace("at", "from");
  const first = `Both training points are right ${right}; the test accuracy`;
  const past = edge - 0.5;
  const place = `λ\u00a0=\u00a0${past < 1e-3 ? `½ + ${readable(past)}` : readable(edge, 5)}`;
  const edgeSaid = edge < 1 ? ` The edge for ${percent(level)}: ${place}.` : "";
  if (test === Infinity) {
    return `${first} never reaches ${percent(level)}: it ends at ${percent(ends)}.${edgeSaid}`;
  }
  const delay = test > train ? `, ${readable(test - train)} decades later` : "";
  const end = ratio > 0.5 ? ` and ends at ${percent(ends)}` : "";
  return `${first} passes ${percent(level)} ${when(test)}${delay}${end}.${edgeSaid}`;
}

/* --- The charts ------------------------------------------------------------------------------ */

/* The line: test law, both points, and where the boundary -b / S starts, passes and ends. */
function drawLine(plot, { setting, noise, z, level }) {
  const width = 3.4 * noise;
  const x = Array.from({ length: 81 }, (_, k) => width * (k / 40 - 1));
  const law = x.map((one) => Math.exp(-0.5 * (one / noise) ** 2));
  const boundary = [noise * toy.startRatio(setting), noise * toy.endRatio(setting)];
  const end = boundary[1] === Infinity ? [] : [{ x: boundary[1], label: "ends", style: "accent" }];
  plot.draw({
    x: { min: -width, max: width },
    regions: [{ x: [...x, width, -width], y: [...law, 0, 0], name: "test law", style: "test" }],
    curves: [
      {
        x: [-noise, noise * setting.gap], y: [0.05, 0.05], kind: "points", style: "train",
        name: "training points",
      },
    ],
    marks: [
      { x: boundary[0], label: "boundary starts", style: "accent" },
      { x: noise * z, label: percent(level) },
      ...end,
    ],
    description: "Points left of the boundary are right. Training moves it to the right.",
  });
}

/* The plane: where both points have S x + b <= -1, the way there, and the direction in the end. */
function drawPlane(plot, { setting }) {
  const { noise, gap } = setting;
  const [left, right, low] = [-1, 1.6, -2.2];
  const S = Array.from({ length: 131 }, (_, k) => left + ((right - left) * k) / 130);
  const edge = S.map((one) => Math.max(low, Math.min(-1 + noise * one, -1 - noise * gap * one)));
  const depth = Array.from({ length: 61 }, (_, k) => (-low * k) / 60);
  const [weight, bias] = toy.direction(setting);
  plot.draw({
    x: { min: left, max: right },
    y: { min: low, max: 0.3 },
    regions: [
      { x: S, low: S.map(() => low), high: edge, name: "S xᵢ + b ≤ −1", style: "quiet" },
    ],
    curves: [
      {
        x: depth.map((one) => toy.spreadAt(one, setting) / noise), y: depth.map((one) => -one),
        style: "second", name: "training",
      },
      { x: [0, weight], y: [0, bias], kind: "arrow", style: "fourth", name: "w_SVM" },
    ],
    description: `In the end the weight grows ${readable(-weight / bias)} times as fast as b.`,
  });
}

function drawAccuracy(plot, seen) {
  const { path, times: [train, test], level, last, setting } = seen;
  const x = path.logStep.map((one) => one / DECADE);
  const right = path.depth.map((one, k) => (setting.gap * path.spread[k] < one ? 1 : 0.5));
  plot.draw({
    x: { max: last },
    curves: [
      { x, y: right, style: "train", kind: "steps", name: "training" },
      { x, y: path.accuracy, style: "test", name: "test" },
    ],
    marks: [
      { y: level },
      ...(train > 0 ? [{ x: train, style: "train", label: tenTo(train) }] : []),
      ...(test > 0 ? [{ x: test, style: "test", label: tenTo(test) }] : []),
    ],
    bands: test > train ? [{ from: train, to: test, name: "delay" }] : [],
    description: sentence(seen),
  });
}

/* The time over λ, denser towards the edge; it depends on the noise and the level alone. */
function timesOverRatio({ noise, level, edge }) {
  const peak = Math.min(edge, MOST);
  const ratios = Array.from(geometric(1, 1e-4, 60), (one) => peak - (peak - LEAST) * one);
  const times = ratios.map((ratio) => {
    const setting = { gap: 1 - 2 * ratio, noise, rate: RATE };
    return decades(toy.logTimeToAccuracy(level, setting));
  });
  return { ratios, times };
}

function drawTimes(plot, { ratio, edge, times, level }, swept) {
  const shown = edge < MOST;
  const half = Math.min(0.2, 4 * (edge - 0.5)); // the edge stays apart from one half
  plot.draw({
    x: { min: Math.min(0.5 - half, ratio), max: Math.max(0.5 + half, ratio) },
    y: { max: Math.max(FAR, times[1] < Infinity ? 1.2 * times[1] : 0) },
    curves: [
      { x: swept.ratios, y: swept.times, style: "test", name: `test accuracy ${percent(level)}` },
      { x: [ratio], y: [times[1]], kind: "points", style: "test" },
    ],
    marks: [
      { x: 0.5, label: "½" },
      { x: ratio, style: "accent", label: `λ = ${readable(ratio, 5)}` },
      ...(shown ? [{ x: edge, label: `edge ${readable(edge, 5)}` }] : []),
    ],
    bands: shown ? [{ from: edge, to: MOST, name: "never", style: "quiet" }] : [],
    description: "Time to the level against λ: it diverges at the edge, not at one half.",
  });
}

function makeCharts() {
  const line = chart({
    name: "The line of the two points",
    x: { label: "x" },
    y: { min: 0, max: 1.35, format: () => "" },
    height: 150,
  });
  const [S, b] = [{ label: "weight S" }, { label: "bias b" }];
  const plane = chart({ name: "Weight and bias", x: S, y: b, equal: true });
  const accuracy = chart({
    name: "Accuracies",
    x: { label: "step", scale: "decades", min: 0 },
    y: { label: "accuracy", min: 0.4, max: 1.04 },
    height: 300,
  });
  const times = chart({
    name: "Time against λ",
    x: { label: "λ", min: LEAST, max: MOST },
    y: { label: "step", scale: "decades", min: 0 },
    height: 230,
  });
  for (const wide of [line, times]) wide.element.classList.add("wide");
  return { line, plane, accuracy, times };
}

/* The curve over λ follows in the next frames, once a change. */
function sweeper(draw) {
  let [known, swept, waiting] = ["", null, 0];
  return (seen) => {
    const key = `${seen.noise} ${seen.level}`;
    clearTimeout(waiting);
    if (key === known) draw(seen, swept);
    else {
      waiting = setTimeout(() => {
        [known, swept] = [key, timesOverRatio(seen)];
        draw(seen, swept);
      }, 30);
    }
  };
}

export function start(element, asked) {
  const charts = makeCharts();
  const sweep = sweeper((seen, swept) => drawTimes(charts.times, seen, swept));
  const draw = (values) => {
    const seen = facts(values);
    drawLine(charts.line, seen);
    drawPlane(charts.plane, seen);
    drawAccuracy(charts.accuracy, seen);
    form.say(sentence(seen));
    sweep(seen);
  };
  const form = panel([...CONTROLS, PRESETS], draw, asked);
  element.replaceChildren(form.element, beside(...Object.values(charts)));
  draw(form.values);
}
