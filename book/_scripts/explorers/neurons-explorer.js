// Neurons turning: a recorded run of the XOR network, step by step, in the plane of its signals.

import { recorded } from "./boot.js";
import { panel } from "./controls.js";
import { boundary, turnedTo, unpack, wedges } from "./neurons.js";
import { beside, chart, readable } from "./plot.js";

const FRAME_MS = 150;
// Half a side of the plane in units of |mu|, and how far out the longest coordinate is drawn.
const [SIDE, LONGEST] = [1.35, 0.85];
const CENTRES = [
  ["+μ₁", 1, 0], ["−μ₁", -1, 0], ["+μ₂", 0, 1], ["−μ₂", 0, -1],
];
const CLASS = { "1": "plus", "-1": "minus" };
const percent = (share) => `${Math.round(100 * share)} %`;
const count = (step) => readable(step, 6);

/* Every second number, from the first or the second, of those that belong to a class. */
function split(pairs, of, label, scale = 1) {
  const [x, y] = [[], []];
  of.forEach((one, j) => {
    if (one !== label) return;
    x.push(scale * pairs[2 * j]);
    y.push(scale * pairs[2 * j + 1]);
  });
  return { x, y };
}

function wedgeShape({ from, to, label }) {
  const corners = Math.max(2, Math.ceil((to - from) / 0.2));
  const angles = Array.from({ length: corners + 1 }, (_, k) => from + ((to - from) * k) / corners);
  return {
    x: [0, ...angles.map((one) => 3 * Math.cos(one))],
    y: [0, ...angles.map((one) => 3 * Math.sin(one))],
    style: CLASS[label] ?? "quiet",
  };
}

function ray(angle) {
  return {
    x: [0, 3 * Math.cos(angle)], y: [0, 3 * Math.sin(angle)],
    style: { colour: "currentColor", width: 1.6 },
  };
}

/* What the network of a record does in the plane, computed when it is first looked at. */
function shapeOf(run, k) {
  run.shapes ??= [];
  if (!run.shapes[k]) {
    const regions = wedges(run.neurons[k], run.sign);
    const own = percent(turnedTo(run.neurons[k], run.sign));
    run.shapes[k] = { regions, rays: boundary(regions), own };
  }
  return run.shapes[k];
}

/* Points of both classes. */
function points(pairs, of, kind, scale, names) {
  return [1, -1].map((label, one) => ({
    ...split(pairs, of, label, scale),
    kind: "points", style: `${kind} ${CLASS[label]}`, name: names[one],
  }));
}

function planeScene(run, k) {
  const { regions, rays, own } = shapeOf(run, k);
  const lines = rays.map((angle, one) => ({ ...ray(angle), name: "boundary", key: one === 0 }));
  return {
    regions: regions.map(wedgeShape),
    curves: [
      ...lines,
      ...points(run.neurons[k], run.sign, "neuron", LONGEST, ["neuron, a > 0", "neuron, a < 0"]),
      ...points(run.points, run.label, "datum", 1, ["training label +1", "training label −1"]),
    ],
    // Above its cluster, or outside of it.
    notes: CENTRES.map(([name, x, y], c) => ({
      x, y: y ? 1.2 * y - 0.03 : 0.13, anchor: "middle",
      text: `${name} ${percent(run.clusters[k][c])}`,
    })),
    description: `At step ${count(run.step[k])} the network's boundary in the plane consists of `
      + `${rays.length} rays; ${own} of the neurons are nearer to the axis of their own class.`,
  };
}

/* The start of training is drawn at step 1/2. */
const clock = (step) => Math.max(step, 0.5);

function curveScene(run, k) {
  const x = run.step.map(clock);
  return {
    curves: [
      { x, y: run.train, name: "train", style: "train" },
      { x, y: run.test, name: "test", style: "test" },
      {
        x: [x[k], x[k]], y: [run.train[k], run.test[k]], kind: "points",
        style: { colour: "currentColor", width: 9 },
      },
    ],
    marks: [{ x: x[k], label: `step ${count(run.step[k])}`, style: "plain" }],
    description: "Training accuracy reaches one long before test accuracy does. At step "
      + `${count(run.step[k])} they are ${percent(run.train[k])} and ${percent(run.test[k])}.`,
  };
}

function sentence(run, k) {
  const { rays, own } = shapeOf(run, k);
  return `Step ${count(run.step[k])}: ${percent(run.train[k])} of the training labels and `
    + `${percent(run.test[k])} of the test points are right. The boundary has ${rays.length} rays; `
    + `${own} of the neurons lie nearer to the axis of their own class. The longest is `
    + `${readable(run.unit[k] / run.unit[0], 2)} times as long as at the start.`;
}

function charts() {
  const across = (label) => ({ label, min: -SIDE, max: SIDE });
  const plane = chart({
    name: "Neurons, training points and decision boundary in the plane of the two centres",
    equal: true, x: across("along μ₁, in units of |μ|"), y: across("along μ₂"),
  });
  const accuracy = chart({
    name: "Training and test accuracy against step", height: 300,
    x: { label: "step", scale: "log", min: 0.5, max: 3500 },
    y: { label: "accuracy", min: 0.4, max: 1.1 },
  });
  return [plane, accuracy];
}

/* Moments worth a look, from the run itself. */
function moments(run) {
  const first = (record, level) => run.step[record.findIndex((one) => one >= level)];
  return [
    ["the start", { step: 0 }],
    ["all labels fitted", { step: first(run.train, 1) }],
    ["75 % of test points", { step: first(run.test, 0.75) }],
    ["the end", { step: run.step.at(-1) }],
  ];
}

/* Runs through the records until stopped; `show` puts one on the page. */
function player(run, form, show) {
  let timer = null;
  const button = form.button("play");
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  };
  const advance = () => {
    const k = run.step.indexOf(form.values.step);
    if (k === run.step.length - 1 || !button.isConnected) return stop();
    return show(k + 1);
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (form.values.step === run.step.at(-1)) show(0);
    button.textContent = "Pause";
    timer = setInterval(advance, FRAME_MS);
    return timer;
  });
  return stop;
}

export async function start(element, asked) {
  const run = unpack(await recorded("neurons"));
  const [plane, accuracy] = charts();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const specs = [
    {
      kind: "slider", name: "step", label: "Step", options: run.step, value: 0,
      show: (step) => `step ${count(step)}`,
    },
    // Where motion is unwelcome, steps are taken by hand.
    ...(still ? [] : [{ kind: "button", name: "play", label: "Play" }]),
    { kind: "presets", label: "Go to", options: moments(run) },
  ];
  let [stop, playing] = [() => {}, false];
  const form = panel(specs, draw, asked);
  if (!still) {
    form.element.querySelector(".presets").prepend(form.button("play"));
    stop = player(run, form, (k) => {
      playing = true;
      form.set({ step: run.step[k] });
      playing = false;
    });
  }

  function draw({ step }) {
    if (!playing) stop();
    const k = run.step.indexOf(step);
    plane.draw(planeScene(run, k));
    accuracy.draw(curveScene(run, k));
    form.say(sentence(run, k));
  }

  element.replaceChildren(form.element, beside(plane, accuracy));
  draw(form.values);
}
