// What the machine adds up: one sample's softmax cross-entropy in four floating-point formats.

import { panel } from "./controls.js";
import * as floats from "./floats.js";
import { beside, chart, readable } from "./plot.js";

const NAMES = Object.keys(floats.FORMATS);
// Drawn one over the other: the shortest lines last.
const STYLES = {
  float64: { colour: "var(--fourth)" },
  float32: { colour: "var(--train)", dash: "9 3" },
  float16: { colour: "var(--first)", dash: "5 2" },
  bfloat16: { colour: "var(--third)", dash: "2 2" },
};
const HERE = { colour: "currentColor", width: 11 };
const LEAST = 1e-18;
const SPECS = [
  {
    kind: "choice", name: "format", label: "Format", value: "float32",
    options: NAMES.map((one) => [one, one]),
  },
  {
    kind: "slider", name: "gap", label: "Logit gap g", min: 0, max: 46, step: 0.05, value: 16,
    show: (gap) => `gap ${readable(gap, 4)}`,
  },
  {
    kind: "slider", name: "classes", label: "Classes n", value: 113,
    options: Array.from({ length: 127 }, (_, k) => k + 2), show: (many) => `${many} classes`,
  },
  {
    kind: "choice", name: "order", label: "The terms are added", value: "sequential",
    options: [
      ["sequential", "one after the other"],
      ["pairwise", "in halves, of halves"],
      ["lanes", "in eight partial sums, as numpy"],
    ],
  },
  {
    kind: "choice", name: "place", label: "The right class comes", value: "first",
    options: [["first", "first"], ["middle", "in the middle"], ["last", "last"]],
  },
];
const ROWS = [
  ["small", "each wrong term"],
  ["total", "sum"],
  ["loss", "loss"],
  ["right", "gradient, right"],
  ["wrong", "gradient, wrong"],
];

function settingOf({ format, classes, order, place }) {
  const position = { first: 0, middle: Math.floor(classes / 2), last: classes - 1 }[place];
  return { format, classes, order, position };
}

/* A sum near 1 is told by what it has above 1. */
function sumText(rest) {
  if (rest === 0) return "1";
  return rest < 0.1 ? `1 + ${readable(rest)}` : readable(1 + rest, 6);
}

const cellOf = (key, value, rest) => (key === "total" ? sumText(rest) : readable(value));

function table() {
  const element = document.createElement("table");
  element.className = "numbers";
  element.innerHTML = `<thead><tr><td></td><th scope="col">machine</th>
    <th scope="col" class="bits">its bits</th><th scope="col">exact</th>
    <th scope="col">complement</th></tr></thead>`;
  const body = element.createTBody();
  const cells = {};
  for (const [key, label] of ROWS) {
    const row = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = label;
    row.append(head);
    cells[key] = [0, 1, 2, 3].map(() => row.insertCell());
    cells[key][1].className = "bits";
  }
  return { element, cells };
}

function fill(cells, found, other, truth, format) {
  for (const [key] of ROWS) {
    const [machine, bits, exact, complement] = cells[key];
    machine.textContent = cellOf(key, found[key], found.total - 1);
    machine.className = found[key] === 0 || (key === "total" && found.collapsed) ? "absorbed" : "";
    bits.textContent = floats.bitsOf(found[key], format);
    complement.textContent = key in other ? readable(other[key]) : "";
    exact.textContent = cellOf(key, truth[key], truth.rest);
  }
}

/* What became of the small terms. */
function fate({ small, absorbed }, { format, classes }) {
  if (small === 0) return `the small terms are themselves 0 in ${format}`;
  if (classes === 2) return "the small term is lost in the 1";
  const rest = absorbed === classes - 1 ? "each of" : "the sum of";
  return `${rest} the ${classes - 1} small terms is lost in the 1`;
}

function sentence(found, truth, setting, end) {
  const { format, classes } = setting;
  const from = `In ${format} the sum is exactly 1 from gap ${readable(end, 5)} on.`;
  if (found.collapsed) {
    return `Collapsed: ${fate(found, setting)}. Loss and gradient of the right class are exactly `
      + `0; without rounding the loss is ${readable(truth.loss)}. ${from}`;
  }
  const error = Math.abs(found.loss - truth.loss) / truth.loss;
  const off = error < 5e-4 ? "right to three digits" : `wrong by ${readable(100 * error, 2)} %`;
  const gone = found.absorbed
    ? `${found.absorbed} of ${classes - 1} additions lose the smaller number. ` : "";
  return `The sum is ${sumText(found.total - 1)}; the loss is ${off}. ${gone}${from}`;
}

/* The four lines and where each ends. They depend neither on the format chosen nor on the gap. */
function linesOf(setting) {
  const found = Object.entries(STYLES).map(([format, style]) => {
    const { end, gap, loss } = floats.curve({ ...setting, format });
    const ratio = loss.map((one, k) => one / floats.exact(gap[k], setting).loss);
    return { format, style, end, gap, loss, ratio };
  });
  const grid = Array.from({ length: 47 }, (_, k) => k);
  const loss = grid.map((gap) => floats.exact(gap, setting).loss);
  return { found, exact: { x: grid, y: loss, name: "exact", style: "quiet" } };
}

const endsOf = (lines) =>
  lines.found.map(({ end, style }) => ({
    x: end, label: end.toFixed(1), style: { colour: style.colour, dash: "2 3" },
  }));

function lossScene(lines, found, format) {
  const curves = lines.found.map(({ gap, loss, format: name, style }) => ({
    x: gap, y: loss, name, style,
  }));
  const here = { x: [found.gap], y: [found.loss || 2 * LEAST], kind: "points", style: HERE };
  const loss = found.loss ? readable(found.loss) : "0";
  const left = found.gap < 30;
  const note = {
    x: found.gap + (left ? 1 : -1), y: found.loss ? found.loss * 2 : LEAST * 6,
    text: `loss ${loss}`, anchor: left ? "start" : "end",
  };
  const told = lines.found.map((one) => `${one.format} at gap ${one.end.toFixed(1)}`).join(", ");
  return {
    curves: [lines.exact, ...curves, here], marks: endsOf(lines), notes: [note],
    description: "The loss falls by a factor e per unit of gap and becomes exactly zero "
      + `in ${told}. In ${format} at gap ${readable(found.gap, 4)} it is ${loss}.`,
  };
}

/* After its threshold a format's line lies at 0. */
function ratioScene(lines, found, truth, format) {
  const curves = lines.found.map((one) => ({
    x: [...one.gap, one.end, one.end, 46], y: [...one.ratio, one.ratio.at(-1), 0, 0],
    name: one.format, key: false, style: one.style,
  }));
  const ratio = found.loss / truth.loss;
  const here = { x: [found.gap], y: [ratio], kind: "points", style: HERE };
  return {
    curves: [...curves, here], marks: endsOf(lines),
    description: "Each format's loss is the exact one at small gaps, moves in ever longer stairs, "
      + `and drops to 0. In ${format} at gap ${readable(found.gap, 4)} it is ${readable(ratio)} `
      + "of it.",
  };
}

function charts() {
  const x = { label: "logit gap g", min: 0, max: 46 };
  const loss = chart({
    name: "Loss of one sample against its logit gap, in four formats", height: 300, x,
    y: { label: "loss (nats)", scale: "log", min: LEAST, max: 10 },
  });
  const ratio = chart({
    name: "Loss in units of the exact one, in four formats", height: 300, x,
    y: { label: "loss over exact loss", min: -0.1, max: 2.1 },
  });
  return [loss, ratio];
}

export function start(element, asked) {
  const [loss, ratio] = charts();
  const { element: numbers, cells } = table();
  const box = document.createElement("div");
  box.className = "numbers";
  box.append(numbers);
  let [lines, kept] = [null, ""];
  const form = panel(SPECS, draw, asked);

  function draw(values) {
    const setting = settingOf(values);
    const { format, ...shape } = setting;
    if (kept !== JSON.stringify(shape)) [lines, kept] = [linesOf(setting), JSON.stringify(shape)];
    const found = floats.machine(values.gap, setting);
    // The logits are what the format holds; what is exact begins with these.
    const truth = floats.exact(found.gap, setting);
    fill(cells, found, floats.complement(found.small, setting), truth, format);
    loss.draw(lossScene(lines, found, format));
    ratio.draw(ratioScene(lines, found, truth, format));
    const { end } = lines.found.find((one) => one.format === format);
    form.say(sentence(found, truth, setting, end));
  }

  element.replaceChildren(form.element, box, beside(loss, ratio));
  draw(form.values);
}
