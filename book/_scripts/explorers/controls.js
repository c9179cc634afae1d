/* Labelled sliders, choices, numbers and buttons, with one message and one live sentence.

   const form = panel(specs, change);     // host.append(form.element)
   form.values                            // { name: value } of sliders, numbers, choices, switches
   form.set({ name: value, … })           // sets several (clamped), then calls change once
   form.say(sentence)                     // shown at once; read aloud 400 ms after the last call
   form.button(name)                      // the <button> of that name, to disable or relabel
   form.address(name)                     // "#name?key=value&…" of the present values

   `change(values, name)` is called after each input with the name of what changed, and not at the
   start: call it, or draw, yourself.  specs is a list of
     { kind: "slider", name, label, min, max, value, step, scale, zero, show }
         scale "linear" (default) or "log"; a log slider with zero: true has the value 0 at its left
         end.  step (linear, default a hundredth of the range) is the step of the slider alone: the
         field beside it takes any number.  show(value) is what is read aloud.
         options: [numbers], rising, instead of min, max, step: these values only.
     { kind: "number", name, label, min, max, step, value }    whole numbers with step: 1
     { kind: "choice", name, label, options: [[value, text], …], value }
     { kind: "switch", name, label, value }                    a checkbox
     { kind: "button", name, label, press }                    press(values)
     { kind: "presets", label, options: [[text, { name: value, … }], …] }   each button sets these
   A number outside its range is set to the nearest that is allowed, and a message says so.
   Values from an address are strings: pass them through `fitted(spec, text)`, or give them to
   `panel` as third argument, `panel(specs, change, setting)`; they are clamped too.

   fitted(spec, value) -> [value within the spec, message or ""] */

import { readable } from "./plot.js";

const POSITIONS = 400;
const QUIET_MS = 400;
let made = 0;

const isNumber = ({ kind }) => kind === "slider" || kind === "number";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function nearest(options, value) {
  const distance = (one) => Math.abs(one - value);
  return options.reduce((best, one) => (distance(one) < distance(best) ? one : best));
}

function fittedNumber(spec, given) {
  const { min, max, zero = false } = spec;
  const text = String(given).trim().replace("−", "-");
  const value = Number(text);
  if (text === "" || Number.isNaN(value)) {
    return [spec.value, `${spec.label} must be a number: set to ${readable(spec.value)}.`];
  }
  if (spec.options) {
    const ends = [spec.options[0], spec.options[spec.options.length - 1]];
    const fit = nearest(spec.options, Math.min(ends[1], Math.max(ends[0], value)));
    const told = `${spec.label} is one of ${spec.options.join(", ")}: set to ${fit}.`;
    return [fit, fit === value ? "" : told];
  }
  let fit = zero && value <= 0 ? 0 : Math.min(max, Math.max(min, value));
  if (spec.kind === "number" && spec.step === 1) fit = Math.round(fit);
  const range = `${zero ? "0 or " : ""}${readable(min)} to ${readable(max)}`;
  const outside = fit !== value && (value < min || value > max) && !(zero && value === 0);
  return [fit, outside ? `${spec.label} goes from ${range}: set to ${readable(fit)}.` : ""];
}

export function fitted(spec, value) {
  if (isNumber(spec)) return fittedNumber(spec, value);
  if (spec.kind === "switch") return [value === true || value === "true", ""];
  const known = spec.options.map(([one]) => one);
  const found = known.find((one) => String(one) === String(value));
  return found === undefined
    ? [spec.value, `${spec.label}: there is no ${value}; set to ${spec.value}.`]
    : [found, ""];
}

/* --- One slider: positions on the track, values beside it ------------------------------------ */

/* What a slider's track has: its number of positions, and the two ways between these and values. */
function track(spec) {
  const { min, max, options, scale, zero } = spec;
  if (options) {
    return { last: options.length - 1, value: (at) => options[at], at: (x) => options.indexOf(x) };
  }
  if (scale === "log") {
    const decades = Math.log10(max / min);
    const first = zero ? 1 : 0;
    const last = POSITIONS + first;
    const value = (at) => {
      if (at < first) return 0;
      if (at === first || at === last) return at === first ? min : max;
      return Number((min * 10 ** ((decades * (at - first)) / POSITIONS)).toPrecision(3));
    };
    const place = (x) => first + Math.round((POSITIONS * Math.log10(x / min)) / decades);
    const at = (x) => (x < min ? 0 : place(x));
    return { last, value, at };
  }
  const step = spec.step ?? (max - min) / 100;
  const last = Math.round((max - min) / step);
  const value = (at) => (at === last ? max : Number((min + at * step).toPrecision(10)));
  return { last, value, at: (x) => Math.round((x - min) / step) };
}

/* Numbers in a field are plain: 0.0026, 1e-7. */
const plain = (value) => String(Number(value.toPrecision(6)));

function sliderRow(spec, id, changed) {
  const along = track(spec);
  const range = element("input", { type: "range", id, min: 0, max: along.last, step: 1 });
  const field = element("input", { type: "text", inputMode: "decimal", id: `${id}-field` });
  field.setAttribute("aria-label", `${spec.label}, typed`);
  field.autocomplete = "off";
  field.size = 6;
  const show = (value) => {
    range.value = along.at(value);
    range.setAttribute("aria-valuetext", spec.show ? spec.show(value) : readable(value));
    if (Number(field.value) !== value || field.value === "") field.value = plain(value);
  };
  range.addEventListener("input", () => changed(along.value(range.valueAsNumber)));
  field.addEventListener("change", () => changed(field.value));
  const label = element("label", { htmlFor: id }, spec.label);
  return { row: element("div", { className: "control slider" }, label, range, field), show };
}

function numberRow(spec, id, changed) {
  const { min, max, step = "any", label } = spec;
  const field = element("input", { type: "number", id, min, max, step });
  field.addEventListener("change", () => changed(field.value));
  const show = (value) => { field.value = value; };
  const name = element("label", { htmlFor: id }, label);
  return { row: element("div", { className: "control" }, name, field), show };
}

function choiceRow(spec, id, changed) {
  const select = element("select", { id });
  for (const [value, text] of spec.options) select.add(new Option(text, value));
  select.addEventListener("change", () => changed(select.value));
  const show = (value) => { select.value = value; };
  const label = element("label", { htmlFor: id }, spec.label);
  return { row: element("div", { className: "control" }, label, select), show };
}

function switchRow(spec, id, changed) {
  const box = element("input", { type: "checkbox", id });
  box.addEventListener("change", () => changed(box.checked));
  const show = (value) => { box.checked = value; };
  const label = element("label", { htmlFor: id }, spec.label);
  return { row: element("div", { className: "control switch" }, box, label), show };
}

const ROWS = { slider: sliderRow, number: numberRow, choice: choiceRow, switch: switchRow };

function buttonOf(label, press) {
  const button = element("button", { type: "button" }, label);
  button.addEventListener("click", press);
  return button;
}

/* --- The panel ------------------------------------------------------------------------------- */

class Panel {
  constructor(specs, change) {
    this.values = {};
    this.specs = new Map();
    this.shows = new Map();
    this.buttons = new Map();
    this.choices = []; // buttons of presets, each with its values
    this.change = change;
    this.prefix = `panel-${(made += 1)}`;
    this.controls = element("div", { className: "controls" });
    for (const spec of specs) this.add(spec);
    this.message = element("p", { className: "message", hidden: true });
    this.seen = element("p", { className: "says" });
    this.seen.setAttribute("aria-hidden", "true"); // what is heard says the same
    this.heard = element("p", { className: "heard" });
    this.heard.setAttribute("aria-live", "polite");
    const parts = [this.controls, this.message, this.seen, this.heard];
    this.element = element("div", { className: "panel" }, ...parts);
  }

  add(spec) {
    if (spec.kind === "button") this.addButton(spec);
    else this.controls.append(spec.kind === "presets" ? this.presets(spec) : this.row(spec));
  }

  /* Buttons that follow each other stand in one row. */
  addButton({ name, label, press }) {
    const button = buttonOf(label, () => press?.(this.values));
    this.buttons.set(name, button);
    const last = this.controls.lastElementChild;
    if (last?.classList.contains("buttons")) last.append(button);
    else this.controls.append(element("div", { className: "buttons" }, button));
  }

  row(spec) {
    this.specs.set(spec.name, spec);
    const { row, show } = ROWS[spec.kind](spec, `${this.prefix}-${spec.name}`, (value) => {
      this.put({ [spec.name]: value });
      this.change(this.values, spec.name);
    });
    this.shows.set(spec.name, show);
    this.values[spec.name] = spec.value;
    show(spec.value);
    return row;
  }

  presets({ label, options }) {
    const buttons = options.map(([text, values]) => {
      const button = buttonOf(text, () => this.set(values));
      this.choices.push([button, values]);
      return button;
    });
    const group = element("div", { className: "presets" }, element("span", {}, label), ...buttons);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", label);
    return group;
  }

  /* Set values within their ranges; the message names each that was not. */
  put(values) {
    const messages = [];
    for (const [name, value] of Object.entries(values)) {
      if (!this.specs.has(name)) continue;
      const [fit, message] = fitted(this.specs.get(name), value);
      this.values[name] = fit;
      this.shows.get(name)(fit);
      if (message) messages.push(message);
    }
    this.message.textContent = messages.join(" ");
    this.message.hidden = !messages.length;
    this.mark();
  }

  /* The presets that are set as they stand. */
  mark() {
    const is = ([name, value]) => fitted(this.specs.get(name), value)[0] === this.values[name];
    for (const [button, values] of this.choices) {
      button.setAttribute("aria-pressed", Object.entries(values).every(is));
    }
  }

  set(values) {
    this.put(values);
    this.change(this.values, null);
  }

  say(sentence) {
    this.seen.textContent = sentence;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.heard.textContent = `${this.message.textContent} ${sentence}`.trim();
    }, QUIET_MS);
  }

  button(name) {
    return this.buttons.get(name);
  }

  address(name) {
    return `#${name}?${new URLSearchParams(this.values)}`;
  }
}

/* The value that each control has at first, by its name. */
export const defaults = (specs) =>
  Object.fromEntries(specs.map(({ name, value }) => [name, value]));

export function panel(specs, change, setting = {}) {
  const form = new Panel(specs, change);
  form.put(setting);
  return form;
}
