/* Exercises check the reader's answer: a number within a tolerance, or one of a few choices.

   A page holds, after the question, an element without content, which is shown neither on paper
   nor where no script runs:
     <form class="exercise" hidden data-ask="What to type" data-answer="1.19" data-tolerance="0.005"
      data-slip-1="1.09: a hint for this wrong answer" … data-hint="a hint for any other"></form>
     <form class="exercise" hidden data-ask="The question in short" data-answer="2"
      data-choice-1="…" data-hint-1="…" data-choice-2="…" …></form>   no hint for the right choice */

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const PLAIN = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/* Superscripts as "^…", every minus a "-", no blanks, no per cent sign, thousands unmarked. */
function tidied(text) {
  return text
    .replace(/[⁺⁻⁰¹²³⁴-⁹]+/g, (raised) =>
      `^${[...raised].map((one) => ({ "⁺": "", "⁻": "-" })[one] ?? RAISED.indexOf(one)).join("")}`)
    .replace(/[−–]/g, "-")
    .replace(/\s|%$/g, "")
    .replaceAll("**", "^")
    .replace(/[1-9]\d{0,2}(,\d{3})+(?![\d,])/g, (one) => one.replaceAll(",", ""))
    .replace(/^([-+]?\d*),(\d+)/, "$1.$2");
}

const real = (text) => (PLAIN.test(text) ? Number(text) : NaN);

function power(text) {
  const [base, exponent = "1", ...more] = text.split("^");
  return more.length ? NaN : real(base) ** real(exponent.replace(/^\((.*)\)$/, "$1"));
}

/* The number that a reader typed: 0.25, 1/4, 3e-4, 3 × 10^-4, 2⁻¹⁰, 40,000, 26 %; or NaN. */
export function typed(text) {
  const [over, under = "1", ...more] = tidied(text).split("/");
  const product = (factors) => factors.split(/[×·*]/).map(power).reduce((a, b) => a * b, 1);
  return more.length ? NaN : product(over) / product(under);
}

/* A slip is met as closely, relative to its size, as the answer is. */
const near = (value, wanted, tolerance) => Math.abs(value - wanted) <= tolerance * (1 + 1e-9);

/* [whether `text` answers the question, what to say], with the element's data. */
export function judged(data, text) {
  const answer = Number(data.answer);
  if (data["choice-1"] !== undefined) {
    if (!text) return [false, "Choose one of the answers first."];
    return text === data.answer ? [true, "Right."] : [false, `Not so. ${data[`hint-${text}`]}`];
  }
  const value = typed(text);
  if (Number.isNaN(value)) return [false, "Type a number, such as 0.25, 1/4 or 3e-4."];
  const tolerance = Number(data.tolerance);
  if (near(value, answer, tolerance)) return [true, "Right."];
  for (let k = 1; data[`slip-${k}`] !== undefined; k += 1) {
    const [, slip, hint] = data[`slip-${k}`].match(/^(\S+): (.*)$/s);
    const room = answer === 0 ? tolerance : tolerance * Math.abs(slip / answer);
    if (near(value, Number(slip), room)) return [false, `Not yet. ${hint}`];
  }
  return [false, `Not yet. ${data.hint}`];
}

/* --- The page -------------------------------------------------------------------------------- */

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function numberField(data, id) {
  const label = element("label", { htmlFor: id }, data.ask);
  const input = element("input", { id, name: "given", type: "text", autocomplete: "off" });
  input.spellcheck = false;
  return element("p", { className: "exercise-ask" }, label, input);
}

function choices(data, id) {
  const box = element("fieldset", {}, element("legend", {}, data.ask));
  for (let k = 1; data[`choice-${k}`] !== undefined; k += 1) {
    const radio = element("input", { type: "radio", name: "given", value: k, id: `${id}-${k}` });
    box.append(element("label", { htmlFor: radio.id }, radio, data[`choice-${k}`]));
  }
  return box;
}

/* Says it anew even if it is what was said before, so that it is read aloud again. */
function say(where, right, text) {
  where.textContent = "";
  requestAnimationFrame(() => {
    where.dataset.right = right;
    where.textContent = text;
  });
}

function build(form, index) {
  const data = form.dataset;
  const id = `exercise-${index + 1}`;
  const said = element("p", { className: "exercise-said", id: `${id}-said` });
  said.setAttribute("role", "status");
  const button = element("button", { type: "submit" }, "Check");
  if (data["choice-1"] === undefined) {
    form.append(numberField(data, id), said);
    form.querySelector(".exercise-ask").append(button);
    form.querySelector("input").setAttribute("aria-describedby", said.id);
  } else {
    form.append(choices(data, id), button, said);
  }
  form.setAttribute("aria-label", `Check your answer: ${data.ask}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say(said, ...judged(data, new FormData(form).get("given") ?? ""));
  });
  form.hidden = false;
}

globalThis.document?.querySelectorAll("form.exercise").forEach(build);
