/* Line charts in SVG: axes, several curves, marks, bands, regions, a key.  No dependency.

   const plot = chart({ name: "Losses", x: { label: "step", scale: "log" }, y: {…}, height: 260 });
   host.append(plot.element);      // as wide as its column; draws again when that changes
   plot.draw({ x: { min: 1, max: 1e6 }, curves: […], marks: […], description: "…" });

   chart({ name, x, y, height, equal })
     name      what a screen reader calls the image.
     x, y      { label, scale, min, max, format }; scale is "linear", "log", or "decades" (data
               are exponents of ten, for 10^3000).  format(tick) gives a label.
     height    in px (default 260), or a function of the width.
     equal     one unit is as long on both axes; the height then follows from the ranges.
   draw(scene) replaces all that is drawn.  scene is
     x, y         { min, max, label, … }, laid over those of the chart.  A limit that is missing
                  follows the data.
     curves       [{ x, y, name, style, kind }] arrays of equal length; what is not finite (or <= 0
                  on a log axis) leaves a gap.  kind: "line" (default), "steps", "points", "stems"
                  (bars from 0, or from the lower edge), "arrow" (a line with a head at its end).
     marks        [{ x | y, label, style }] a line across the chart with a short label.
     bands        [{ from, to, name, style }] shaded between two x.
     regions      [{ x, y, name, style }] a shaded polygon; or { x, low, high }, between two curves.
     notes        [{ x, y, text, style, anchor }] text in the chart ("start", "middle", "end").
     description  one sentence for those who do not see the chart.
   style is one of "train", "test" (the book's two colours, train dashed), "first" … "fifth",
   "quiet" (grey, dotted), "accent", "delay" (yellow, for bands), "plain"; or { colour, dash,
   width } with any colour of CSS.  A curve, band or region with a name stands in the key under the
   chart, unless key: false.  Styles are classes in book.css: they follow the theme by themselves.

   beside(...charts)   one element with all of them.
   timeMarks(times), delayBand(times)   marks and bands of a memorisation and a generalisation time.

   readable(value, digits = 3)  "23,000", "0.0026", "1.2·10⁻⁷", "∞".
   power(exponent)              "10⁻³".     tenTo(log10, digits)  readable, also beyond 10³⁰⁸.
   ticks(axis, room)   [{ at, label }] of { scale, min, max } with `room` labels at most. */

const SVG = "http://www.w3.org/2000/svg";
const PAD = { top: 10, right: 14, bottom: 44, left: 58 };
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
let made = 0;

/* --- Numbers ------------------------------------------------------------------------------- */

const raised = (whole) =>
  String(whole).replace("-", "⁻").replace(/\d/g, (digit) => SUPERSCRIPT[digit]);

export function power(exponent) {
  return `10${raised(exponent)}`;
}

function scientific(log10, digits, sign = "") {
  let exponent = Math.floor(log10);
  let leading = Number((10 ** (log10 - exponent)).toPrecision(digits));
  if (leading >= 10) [leading, exponent] = [1, exponent + 1];
  return `${sign}${leading === 1 ? "" : `${leading}·`}${power(exponent)}`;
}

export function readable(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(Number(value.toPrecision(digits)));
  const sign = value < 0 ? "−" : "";
  if (size < 1e-3 || size >= 1e6) return scientific(Math.log10(Math.abs(value)), digits, sign);
  return sign + size.toLocaleString("en-US", { maximumSignificantDigits: digits });
}

export function tenTo(log10, digits = 3) {
  if (!Number.isFinite(log10)) return log10 > 0 ? "∞" : "0";
  return Math.abs(log10) < 300 ? readable(10 ** log10, digits) : scientific(log10, digits);
}

/* --- Axes ---------------------------------------------------------------------------------- */

/* The roundest step that makes at most `room` of `span`. */
function roundStep(span, room, steps = [1, 2, 5, 10]) {
  const raw = span / Math.max(room, 1);
  const unit = 10 ** Math.floor(Math.log10(raw));
  return unit * steps.find((one) => one * unit >= raw * (1 - 1e-9));
}

function linearTicks({ min, max }, room) {
  const step = roundStep(max - min, room);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let k = Math.ceil(min / step - 1e-9); k * step <= max + 1e-9 * step; k += 1) {
    const at = Number((k * step).toPrecision(12));
    const plain = Math.max(Math.abs(min), Math.abs(max)) < 1e5 && places <= 4;
    const label = plain ? at.toFixed(places).replace("-", "−") : readable(at);
    found.push({ at, label });
  }
  // One label says nothing of the scale.
  return found.length < 2 && room < 20 ? linearTicks({ min, max }, 2 * room) : found;
}

const decadeLabel = (exponent, all) =>
  all.every((one) => Math.abs(one) <= 3) ? readable(10 ** exponent) : power(exponent);

function logTicks({ min, max }, room) {
  const [low, high] = [Math.log10(min), Math.log10(max)];
  const [first, last] = [Math.ceil(low - 1e-9), Math.floor(high + 1e-9)];
  if (last - first < 1) {
    // Less than a decade or two: 1, 2, 5, or a linear scale's ticks.
    const within = [];
    for (let k = Math.floor(low); k <= high; k += 1) {
      within.push(...[1, 2, 5].map((one) => one * 10 ** k));
    }
    const seen = within.filter((at) => at >= min * (1 - 1e-9) && at <= max * (1 + 1e-9));
    if (seen.length >= 2) return seen.map((at) => ({ at, label: readable(at) }));
    return linearTicks({ min, max }, room);
  }
  const every = Math.max(1, Math.ceil((last - first) / Math.max(room, 1)));
  const exponents = [];
  for (let k = Math.ceil(first / every) * every; k <= last; k += every) exponents.push(k);
  return exponents.map((k) => ({ at: 10 ** k, label: decadeLabel(k, exponents) }));
}

function decadeTicks({ min, max }, room) {
  const step = Math.max(1, roundStep(max - min, room));
  const found = [];
  for (let k = Math.ceil(min / step - 1e-9); k * step <= max + 1e-9; k += 1) {
    const at = Math.round(k * step);
    found.push({ at, label: power(at) });
  }
  return found;
}

export function ticks(axis, room) {
  const make = { log: logTicks, decades: decadeTicks }[axis.scale] ?? linearTicks;
  const found = make(axis, room);
  return axis.format ? found.map(({ at }) => ({ at, label: axis.format(at) })) : found;
}

/* The range of what is drawn, where the axis does not name its own. */
function ranged(axis, drawn) {
  let [low, high] = [axis.min ?? Infinity, axis.max ?? -Infinity];
  if (axis.min === undefined || axis.max === undefined) {
    for (const values of drawn) {
      for (const value of values) {
        if (!Number.isFinite(value) || (axis.scale === "log" && value <= 0)) continue;
        if (axis.min === undefined && value < low) low = value;
        if (axis.max === undefined && value > high) high = value;
      }
    }
  }
  if (!(low <= high)) [low, high] = axis.scale === "log" ? [0.1, 1] : [0, 1];
  if (low === high) {
    [low, high] = axis.scale === "log" ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  }
  return { ...axis, min: low, max: high };
}

/* Data to px: what lies far outside is kept near, so that a path's numbers stay short. */
function placer(axis, from, to) {
  const log = axis.scale === "log";
  const low = log ? Math.log(axis.min) : axis.min;
  const rate = (to - from) / ((log ? Math.log(axis.max) : axis.max) - low);
  const [least, most] = [Math.min(from, to) - 2000, Math.max(from, to) + 2000];
  return (value) => {
    if (log && value <= 0) return NaN;
    const at = from + ((log ? Math.log(value) : value) - low) * rate;
    return Number.isFinite(value) ? Math.min(most, Math.max(least, at)) : NaN;
  };
}

/* --- Drawing ------------------------------------------------------------------------------- */

function make(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== "") element.textContent = text;
  return element;
}

/* Class and inline style of a named style, or of { colour, dash, width }. */
function dressed(kind, style = "plain") {
  if (typeof style === "string") return { class: `${kind} ${style}` };
  const paint = kind === "shade" ? "fill" : "stroke";
  const { colour, dash, width } = style;
  const lines = { [paint]: colour, "stroke-dasharray": dash, "stroke-width": width };
  const said = Object.entries(lines).filter(([, value]) => value !== undefined);
  return { class: kind, style: said.map(([name, value]) => `${name}: ${value}`).join("; ") };
}

const tenth = (value) => Math.round(value * 10) / 10;

const SHAPES = {
  line(xs, ys) {
    let path = "";
    let pen = "M";
    for (let k = 0; k < xs.length; k += 1) {
      if (xs[k] !== xs[k] || ys[k] !== ys[k]) pen = "M";
      else {
        path += `${pen}${tenth(xs[k])} ${tenth(ys[k])}`;
        pen = "L";
      }
    }
    return path;
  },
  steps(xs, ys) {
    let path = "";
    for (let k = 0; k < xs.length; k += 1) {
      if (xs[k] !== xs[k] || ys[k] !== ys[k]) continue;
      path += path ? `H${tenth(xs[k])}V${tenth(ys[k])}` : `M${tenth(xs[k])} ${tenth(ys[k])}`;
    }
    return path;
  },
  points(xs, ys) {
    let path = "";
    for (let k = 0; k < xs.length; k += 1) {
      if (xs[k] === xs[k] && ys[k] === ys[k]) path += `M${tenth(xs[k])} ${tenth(ys[k])}h0`;
    }
    return path;
  },
  stems(xs, ys, floor) {
    let path = "";
    for (let k = 0; k < xs.length; k += 1) {
      if (xs[k] !== xs[k] || ys[k] !== ys[k]) continue;
      path += `M${tenth(xs[k])} ${tenth(floor)}V${tenth(ys[k])}`;
    }
    return path;
  },
  arrow(xs, ys) {
    const end = xs.length - 1;
    const [x, y] = [xs[end], ys[end]];
    const angle = Math.atan2(y - ys[end - 1], x - xs[end - 1]);
    const barb = (turn) =>
      `${tenth(x - 9 * Math.cos(angle + turn))} ${tenth(y - 9 * Math.sin(angle + turn))}`;
    return `${SHAPES.line(xs, ys)}M${barb(0.4)}L${tenth(x)} ${tenth(y)}L${barb(-0.4)}`;
  },
};

function drawCurve({ x, y, style, kind = "line" }, place) {
  const [xs, ys] = [Array.from(x, place.x), Array.from(y, place.y)];
  const path = SHAPES[kind](xs, ys, place.floor);
  return make("path", { d: path, ...dressed(`curve ${kind}`, style) });
}

function drawRegion({ x, y, low, high, style }, place) {
  const forth = low ?? y;
  const xs = high ? [...x, ...Array.from(x).reverse()] : Array.from(x);
  const ys = high ? [...forth, ...Array.from(high).reverse()] : Array.from(forth);
  const d = SHAPES.line(xs.map(place.x), ys.map(place.y));
  return make("path", { d: d && `${d}Z`, ...dressed("shade", style) });
}

function drawBand({ from, to, style = "delay" }, place, box) {
  const [left, right] = [place.x(from), to === Infinity ? box.right : place.x(to)];
  const width = Math.max(0, right - left) || 0;
  const size = { x: tenth(left) || 0, y: box.top, width: tenth(width) };
  const height = tenth(box.bottom - box.top);
  return make("rect", { ...size, height, ...dressed("shade", style) });
}

/* The label of a vertical line: at the top, on the first row that is free there. */
function topLabel(label, at, rows, box) {
  const width = 6.6 * label.length + 8;
  const leftwards = at + width > box.right;
  const [from, to] = leftwards ? [at - width, at] : [at, at + width];
  let row = rows.findIndex((taken) => taken.every(([a, b]) => to < a || from > b));
  if (row < 0) row = rows.push([]) - 1;
  rows[row].push([from, to]);
  const spot = { x: tenth(at + (leftwards ? -4 : 4)), y: box.top + 13 + 15 * row };
  return { ...spot, "text-anchor": leftwards ? "end" : "start" };
}

function drawMarks(marks, place, box) {
  const rows = [];
  return marks.flatMap(({ x, y, label = "", style = "quiet" }) => {
    const across = x === undefined;
    const at = tenth(across ? place.y(y) : place.x(x));
    const [least, most] = across ? [box.top, box.bottom] : [box.left, box.right];
    if (!(at >= least - 0.5 && at <= most + 0.5)) return [];
    const d = across ? `M${box.left} ${at}H${box.right}` : `M${at} ${box.top}V${box.bottom}`;
    const line = make("path", { d, ...dressed("curve mark", style) });
    const spot = across
      ? { x: box.left + 5, y: at - 4, "text-anchor": "start" }
      : label && topLabel(label, at, rows, box);
    return label ? [line, make("text", { ...spot, class: "note" }, label)] : [line];
  });
}

function drawNote({ x, y, text, style = "", anchor = "start" }, place) {
  const spot = { x: tenth(place.x(x)) || 0, y: tenth(place.y(y)) || 0 };
  return make("text", { ...spot, class: `note ${style}`, "text-anchor": anchor }, text);
}

/* The ticks of an axis that is `long` px long. */
const ticksOf = (axis, long, vertical) =>
  ticks(axis, Math.max(2, Math.floor(long / (vertical ? 34 : 58))));

function drawAxis(axis, labelled, place, box, vertical) {
  const parts = [];
  let grid = "";
  for (const { at, label } of labelled) {
    const spot = tenth(place(at));
    grid += vertical ? `M${box.left} ${spot}H${box.right}` : `M${spot} ${box.top}V${box.bottom}`;
    const where = vertical
      ? { x: box.left - 7, y: spot + 4, "text-anchor": "end" }
      : { x: spot, y: box.bottom + 17, "text-anchor": "middle" };
    parts.push(make("text", { ...where, class: "tick" }, label));
  }
  const middle = vertical ? (box.top + box.bottom) / 2 : (box.left + box.right) / 2;
  const title = vertical
    ? { transform: `translate(13 ${middle}) rotate(-90)` }
    : { x: middle, y: box.bottom + 36 };
  parts.push(make("text", { ...title, "text-anchor": "middle", class: "axis" }, axis.label ?? ""));
  return [make("path", { d: grid, class: "grid" }), ...parts];
}

function keyEntry(shaded, style, name, kind = "line") {
  const entry = document.createElement("span");
  const sample = make("svg", { width: 30, height: 12, "aria-hidden": "true" });
  const size = { x: 4, y: 1, width: 22, height: 10 };
  const d = { points: "M15 6h0", stems: "M11 12V1M19 12V5" }[kind] ?? "M1 6H29";
  sample.append(
    shaded
      ? make("rect", { ...size, ...dressed("shade", style) })
      : make("path", { d, ...dressed(`curve ${kind}`, style) }),
  );
  entry.append(sample, name);
  return entry;
}

function keyEntries({ curves = [], bands = [], regions = [] }) {
  const named = (list) => list.filter((one) => one.name && one.key !== false);
  return [
    ...named(curves).map((one) => [false, one.style, one.name, one.kind]),
    ...named(bands).map((one) => [true, one.style ?? "delay", one.name]),
    ...named(regions).map((one) => [true, one.style, one.name]),
  ];
}

class Chart {
  constructor({ name, x = {}, y = {}, height = 260, equal = false }) {
    Object.assign(this, { x, y, height, equal, scene: null, width: 0, keyed: "" });
    this.element = document.createElement("div");
    this.element.className = "plot";
    this.key = document.createElement("p");
    this.key.className = "key";
    this.assemble(name, `plot-${(made += 1)}`);
    new ResizeObserver(([seen]) => {
      const wide = Math.floor(seen.contentRect.width);
      if (wide === this.width || !wide) return;
      this.width = wide;
      this.paint();
    }).observe(this.element);
  }

  assemble(name, id) {
    this.image = make("svg", { role: "img", "aria-label": name, "aria-describedby": `${id}-said` });
    this.said = make("desc", { id: `${id}-said` });
    this.clip = make("rect");
    this.frame = make("rect", { class: "frame" });
    this.behind = make("g");
    this.inside = make("g", { "clip-path": `url(#${id}-clip)` });
    this.front = make("g");
    const clipping = make("clipPath", { id: `${id}-clip` });
    clipping.append(this.clip);
    this.image.append(this.said, clipping, this.behind, this.inside, this.frame, this.front);
    this.element.append(this.image, this.key);
  }

  draw(scene) {
    this.scene = scene;
    this.width ||= Math.floor(this.element.clientWidth);
    this.paint();
  }

  axes() {
    const { curves = [], regions = [], x, y } = this.scene;
    const shapes = [...curves, ...regions];
    const heights = shapes.flatMap((one) => [one.y, one.low, one.high].filter(Boolean));
    const widths = shapes.map((one) => one.x);
    return [ranged({ ...this.x, ...x }, widths), ranged({ ...this.y, ...y }, heights)];
  }

  /* The box of the data, the ticks of both axes, and the size of the image. */
  layout(across, down) {
    const { width, height } = this;
    const span = (down.max - down.min) / (across.max - across.min);
    let tall = typeof height === "function" ? height(width) : height;
    if (this.equal) tall = (width - PAD.left - PAD.right) * span + PAD.top + PAD.bottom;
    const top = PAD.top;
    const bottom = tenth(tall - PAD.bottom);
    const upright = ticksOf(down, bottom - top, true);
    const longest = Math.max(0, ...upright.map(({ label }) => label.length));
    const left = this.equal ? PAD.left : Math.max(PAD.left, 26 + 7 * longest);
    const box = { left, right: width - PAD.right, top, bottom };
    this.image.setAttribute("viewBox", `0 0 ${width} ${tenth(tall)}`);
    this.image.setAttribute("height", tenth(tall));
    const size = { x: left, y: top, width: box.right - left, height: bottom - top };
    for (const [attribute, value] of Object.entries(size)) {
      this.clip.setAttribute(attribute, tenth(value));
      this.frame.setAttribute(attribute, tenth(value));
    }
    return { box, upright, level: ticksOf(across, box.right - left, false) };
  }

  paint() {
    if (!this.scene || this.width < 120) return;
    const { curves = [], marks = [], bands = [], regions = [], notes = [] } = this.scene;
    const [across, down] = this.axes();
    const { box, level, upright } = this.layout(across, down);
    const place = { x: placer(across, box.left, box.right), y: placer(down, box.bottom, box.top) };
    const zero = down.scale !== "log" && down.min < 0;
    place.floor = zero ? Math.min(box.bottom, place.y(0)) : box.bottom;
    this.behind.replaceChildren(
      ...drawAxis(across, level, place.x, box, false),
      ...drawAxis(down, upright, place.y, box, true),
    );
    this.inside.replaceChildren(
      ...bands.map((one) => drawBand(one, place, box)),
      ...regions.map((one) => drawRegion(one, place)),
      ...curves.map((one) => drawCurve(one, place)),
    );
    this.front.replaceChildren(
      ...drawMarks(marks, place, box),
      ...notes.map((one) => drawNote(one, place)),
    );
    this.said.textContent = this.scene.description ?? "";
    this.paintKey();
  }

  paintKey() {
    const entries = keyEntries(this.scene);
    const keyed = JSON.stringify(entries);
    if (keyed === this.keyed) return;
    this.keyed = keyed;
    this.key.replaceChildren(...entries.map((one) => keyEntry(...one)));
  }
}

export function chart(options) {
  return new Chart(options);
}

/* The charts of an explorer, in one element. */
export function beside(...charts) {
  const plots = document.createElement("div");
  plots.className = "plots";
  plots.append(...charts.map((one) => one.element));
  return plots;
}

/* Marks at [memorisation, generalisation], and the band of the delay between them. */
export const timeMarks = (times) =>
  times.map((x, k) => ({ x, style: ["train", "test"][k], label: x > 0 ? readable(x) : "" }));

export const delayBand = ([from, to]) =>
  to > from ? [{ from: Math.max(from, 1), to, name: "delay" }] : [];
