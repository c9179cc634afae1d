/* What *Grok live* offers: settings with their limits, presets, and how a run is read. No DOM. */

import { defaults } from "./controls.js";
import { readable } from "./plot.js";

/** The settings: names of `Trainer` (mlp.js), and `steps`, after which a run ends; as controls.js
    takes them. */
export const SETTINGS = [
  { kind: "slider", name: "p", label: "modulus p", value: 31,
    options: [23, 29, 31, 37, 41, 43, 47, 53, 59, 67] },
  { kind: "slider", name: "share", label: "share for training", min: 0.2, max: 0.9, step: 0.05,
    value: 0.7 },
  { kind: "slider", name: "width", label: "width", value: 128,
    options: [32, 64, 96, 128, 192, 256] },
  { kind: "choice", name: "loss", label: "loss", value: "float64", options: [
    ["float64", "cross-entropy, float64"], ["float32", "cross-entropy, float32"],
    ["float16", "cross-entropy, float16"], ["stablemax", "StableMax, float64"]] },
  { kind: "choice", name: "optimiser", label: "optimiser", value: "adamw",
    options: [["adamw", "AdamW"], ["perp", "⊥AdamW"], ["sgd", "SGD"]] },
  { kind: "slider", name: "rate", label: "learning rate η", scale: "log", min: 1e-4, max: 10,
    value: 0.01 },
  { kind: "slider", name: "decay", label: "weight decay γ", scale: "log", min: 1e-4, max: 10,
    zero: true, value: 1 },
  { kind: "slider", name: "beta2", label: "Adam’s β₂", value: 0.99,
    options: [0.9, 0.95, 0.99, 0.999] },
  { kind: "slider", name: "steps", label: "steps", value: 1000,
    options: [50, 100, 200, 300, 500, 800, 1000, 1500, 2000, 3000, 5000, 10000] },
  { kind: "number", name: "seed", label: "seed", min: 0, max: 999999, step: 1, value: 0 },
  { kind: "switch", name: "relative", label: "steps relative to the weight norm", value: false },
];

const START = defaults(SETTINGS);

/** Each preset's name and setting, and whether its test accuracy comes to hold 95 %. */
export const PRESETS = [
  { name: "delay", setting: { ...START }, grokked: true },
  { name: "short delay", grokked: true,
    setting: { ...START, optimiser: "perp", rate: 0.02, decay: 0, beta2: 0.999, steps: 200 } },
  { name: "no generalisation", grokked: false, setting: { ...START, decay: 0 } },
  { name: "softmax collapse", grokked: false,
    setting: { ...START, loss: "float32", decay: 0, relative: true, beta2: 0.95, steps: 500 } },
  { name: "StableMax, no regularisation", grokked: true,
    setting: { ...START, loss: "stablemax", decay: 0, relative: true, beta2: 0.95, rate: 0.005,
      share: 0.8, steps: 1500 } },
];

/** First step from which a record stays at `level` or above for the next `hold` records or to the
    end, interpolated in log(1 + step); Infinity if never. The book's one definition. */
export function heldFrom(records, name, level = 0.95, hold = 3) {
  const above = (k) => k >= records.length || records[k][name] >= level;
  const held = (k) => Array.from({ length: hold + 1 }, (_, more) => above(k + more)).every(Boolean);
  const after = records.findIndex((_, k) => held(k));
  if (after <= 0) return after < 0 ? Infinity : records[0].step;
  const [low, high] = [records[after - 1], records[after]];
  const rise = high[name] - low[name];
  const part = rise > 0 ? (level - low[name]) / rise : 1;
  const [from, to] = [Math.log1p(low.step), Math.log1p(high.step)];
  return Math.expm1(from + part * (to - from));
}

const COLUMNS = {
  step: "step", trainLoss: "train_loss", testLoss: "test_loss", trainAccuracy: "train_accuracy",
  testAccuracy: "test_accuracy", collapsed: "collapsed", norm: "weight_norm",
};

/** The records as CSV, under a comment that holds the address of the setting. */
export function table(records, address) {
  const lines = records.map((one) => Object.keys(COLUMNS).map((name) => one[name]).join(","));
  return [`# ${address}`, Object.values(COLUMNS).join(","), ...lines, ""].join("\n");
}

const percent = (share) => `${Math.floor(100 * share + 1e-9)} %`;

function when(records, name, whose) {
  const step = heldFrom(records, name);
  return Number.isFinite(step)
    ? `${whose} hold 95 % from step ${Math.round(step)}`
    : `${whose} do not hold 95 %`;
}

/** A run in a few sentences. */
export function told(records, { steps }, ended = "") {
  const last = records.at(-1);
  if (!last) return "";
  const now = `Step ${last.step} of ${steps}: ${percent(last.trainAccuracy)} of the training ` +
    `pairs and ${percent(last.testAccuracy)} of the new ones are right; ` +
    `${percent(last.collapsed)} of the training samples have collapsed; weight norm ` +
    `${readable(last.norm)}.`;
  const times = `${when(records, "trainAccuracy", "The training pairs")}; ` +
    `${when(records, "testAccuracy", "the new ones")}.`;
  return [now, times, ended].filter(Boolean).join(" ");
}
