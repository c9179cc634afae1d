/* *Grok live* on the page: controls, charts, and the worker that trains. Nothing starts by
   itself. */

import { asked } from "./boot.js";
import { beside, chart, readable } from "./plot.js";
import { panel } from "./controls.js";
import { PRESETS, SETTINGS, table, told } from "./grok-live.js";

const NAME = "grok-live";
const NOTHING = "Nothing is drawn yet: the network has not been trained.";

function charts() {
  const step = { label: "step", scale: "log", min: 1 };
  const share = { label: "share", min: 0, max: 1 };
  return {
    shares: chart({ name: "Accuracy and collapsed share over the steps", x: step, y: share,
      height: 250 }),
    losses: chart({ name: "Training and test loss over the steps", x: step,
      y: { label: "loss", scale: "log" }, height: 250 }),
    spectrum: chart({ name: "Fourier spectrum of the first layer’s weights",
      x: { label: "frequency k" }, y: { label: "share of variance", min: 0 }, height: 220 }),
    norm: chart({ name: "Norm of the weights over the steps", x: step,
      y: { label: "weight norm", min: 0 }, height: 220 }),
  };
}

class Live {
  constructor(element, setting) {
    const presets = PRESETS.map((one) => [one.name, one.setting]);
    const button = (name, label, press) => ({ kind: "button", name, label, press });
    const specs = [
      { kind: "presets", label: "Presets:", options: presets },
      ...SETTINGS,
      button("go", "Start", () => this.go()),
      button("step", "One step", () => this.order("step")),
      button("reset", "Reset", () => this.reset()),
      button("csv", "Data (CSV)", () => this.download()),
    ];
    this.form = panel(specs, () => this.changed(), setting);
    this.plots = charts();
    element.replaceChildren(this.form.element, beside(...Object.values(this.plots)));
    // A run draws twenty times a second; where less motion is asked for, once.
    this.quiet = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 50;
    this.reset();
    addEventListener("hashchange", () => {
      const wanted = asked(NAME);
      if (wanted) this.form.set(wanted);
    });
  }

  /** A setting was changed: the address follows, and the network is a new one. */
  changed() {
    history.replaceState(null, "", this.form.address(NAME));
    this.reset();
  }

  reset() {
    this.worker?.terminate();
    this.worker = null;
    Object.assign(this, { records: [], spectrum: null, state: "new", ended: "", ms: 0 });
    this.show();
  }

  /** The worker of this run, made when first needed. */
  trainer() {
    if (this.worker) return this.worker;
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => this.worker === worker && this.hear(data));
    worker.addEventListener("error", () => {
      this.reset();
      this.form.say("This browser does not train here; the still figure shows such runs.");
    });
    worker.postMessage({ setting: { ...this.form.values }, quiet: this.quiet });
    this.worker = worker;
    return worker;
  }

  order(order) {
    this.trainer().postMessage({ order });
  }

  go() {
    const run = this.state !== "running";
    if (run) this.state = "running";
    this.order(run ? "run" : "pause");
    this.buttons();
  }

  hear({ records, spectrum, state, ended, ms }) {
    this.records.push(...records);
    Object.assign(this, { spectrum, state, ended, ms });
    this.show();
  }

  buttons() {
    const { go, step, reset, csv } = Object.fromEntries(
      ["go", "step", "reset", "csv"].map((name) => [name, this.form.button(name)]));
    const running = this.state === "running";
    go.textContent = running ? "Pause" : this.state === "paused" ? "Go on" : "Start";
    go.disabled = this.state === "ended";
    step.disabled = running || this.state === "ended";
    reset.disabled = this.state === "new";
    csv.disabled = !this.records.length;
  }

  show() {
    this.buttons();
    const { steps } = this.form.values;
    const sentence = told(this.records, this.form.values, this.ended);
    const pace = this.ms ? ` ${readable(this.ms, 2)} ms a step.` : "";
    this.form.say(sentence ? sentence + pace : "Press Start, or take one step.");
    this.draw(sentence || NOTHING, { max: steps });
  }

  draw(description, x) {
    const column = (name) => this.records.map((one) => one[name]);
    const step = column("step");
    const line = (name, label, style) => ({ x: step, y: column(name), name: label, style });
    this.plots.shares.draw({ x, description, curves: [
      line("trainAccuracy", "training accuracy", "train"),
      line("testAccuracy", "test accuracy", "test"),
      line("collapsed", "collapsed samples", "accent")] });
    this.plots.losses.draw({ x, description, curves: [
      line("trainLoss", "training loss", "train"), line("testLoss", "test loss", "test")] });
    this.plots.norm.draw({ x, description, curves: [line("norm", "", "plain")] });
    this.drawSpectrum();
  }

  drawSpectrum() {
    const n = (this.form.values.p - 1) / 2, share = this.spectrum ?? new Float64Array(n);
    const most = Math.max(...share), strongest = share.indexOf(most) + 1;
    this.plots.spectrum.draw({
      x: { min: 0, max: n + 1 },
      y: { max: Math.max(0.2, most) },
      curves: [{ x: Array.from(share, (_, k) => k + 1), y: [...share], kind: "stems" }],
      description: this.spectrum
        ? `The strongest of ${n} frequencies is ${strongest}, with ${Math.round(100 * most)} % ` +
          "of the variance."
        : NOTHING,
    });
  }

  download() {
    const link = document.createElement("a");
    const text = table(this.records, this.form.address(NAME));
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "grok-live.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

/** Fill the element; see boot.js. */
export function start(element, setting) {
  element.live = new Live(element, setting);
}
