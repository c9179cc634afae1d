/* Special functions, roots and recorded numbers in double precision; no DOM.

   gammaP(a, x)           regularised lower incomplete gamma function for a = 1/2, 1, 3/2, …
   gammaPInverse(a, p)    the x with gammaP(a, x) = p, for p in (0, 1).
   normal(z)              distribution function of the normal law, exact in its lower tail.
   normalInverse(p)       its quantile, for p in (0, 1).
   root(f, a, b)          where f changes sign between a and b (Chandrupatla's method).
   geometric(a, b, n)     n numbers from a to b, evenly spaced in their logarithm.
   unpackNumbers(text)    what `numbers` of book/_ext/recordings.py has packed, in [-1, 1]. */

const EPSILON = Number.EPSILON;

/* log Γ(a) for a = 1/2, 1, 3/2, …, from Γ(1/2) = √π or Γ(1) = 1 upwards. */
function logGamma(a) {
  let at = a % 1 ? 0.5 : 1;
  let sum = a % 1 ? 0.5 * Math.log(Math.PI) : 0;
  for (; at < a; at += 1) sum += Math.log(at);
  return sum;
}

/* e^-x x^a / Γ(a), the factor of both expansions. */
const front = (a, x) => Math.exp(a * Math.log(x) - x - logGamma(a));

function lowerSeries(a, x) {
  let [term, sum] = [1 / a, 1 / a];
  for (let k = 1; Math.abs(term) > EPSILON * sum; k += 1) {
    term *= x / (a + k);
    sum += term;
  }
  return front(a, x) * sum;
}

/* The upper function by its continued fraction (modified Lentz). */
function upperFraction(a, x) {
  let b = x + 1 - a;
  let [c, d] = [1e300, 1 / b];
  let value = d;
  for (let k = 1; k < 10_000; k += 1) {
    const term = k * (a - k);
    b += 2;
    d = 1 / (term * d + b);
    c = b + term / c;
    value *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return front(a, x) * value;
}

export function gammaP(a, x) {
  if (!(x > 0)) return 0;
  if (x > 800 + 4 * a) return 1;
  return x < a + 1 ? lowerSeries(a, x) : 1 - upperFraction(a, x);
}

function gammaQ(a, x) {
  if (!(x > 0)) return 1;
  return x < a + 1 ? 1 - lowerSeries(a, x) : upperFraction(a, x);
}

export function gammaPInverse(a, p) {
  const f = (log) => gammaP(a, Math.exp(log)) - p;
  // P < x^a / Γ(a + 1) < 1.2 x^a, which is less than p at the lower end.
  const low = Math.log(p) / a - 2;
  let high = Math.log(a + 1);
  while (f(high) < 0) high += 1;
  return Math.exp(root(f, low, high));
}

export function normal(z) {
  const half = 0.5 * gammaQ(0.5, 0.5 * z * z);
  return z < 0 ? half : 1 - half;
}

export function normalInverse(p) {
  const q = Math.min(p, 1 - p);
  if (q === 0.5) return 0;
  const f = (z) => Math.log(normal(z) / q);
  const z = root(f, -37, 0);
  return p < 0.5 ? z : -z;
}

/* The next step as a share of the bracket: inverse quadratic where that is safe, else one half. */
function share(x1, x2, x3, f1, f2, f3) {
  const xi = (x1 - x2) / (x3 - x2);
  const phi = (f1 - f2) / (f3 - f2);
  if (!(phi ** 2 < xi && (1 - phi) ** 2 < 1 - xi)) return 0.5;
  const along = (x3 - x1) / (x2 - x1);
  return (f1 / (f2 - f1)) * (f3 / (f2 - f3)) + along * (f1 / (f3 - f1)) * (f2 / (f3 - f2));
}

export function root(f, a, b) {
  let [x1, x2] = [b, a];
  let [f1, f2] = [f(b), f(a)];
  if (f1 === 0) return b;
  if (f2 === 0) return a;
  if (f1 > 0 === f2 > 0) throw new RangeError(`no change of sign between ${a} and ${b}`);
  let [x3, f3, t] = [x2, f2, 0.5];
  for (let k = 0; k < 200; k += 1) {
    const x = x1 + t * (x2 - x1);
    const fx = f(x);
    if (fx > 0 === f1 > 0) [x3, f3] = [x1, f1];
    else [x3, f3, x2, f2] = [x2, f2, x1, f1];
    [x1, f1] = [x, fx];
    const best = Math.abs(f2) < Math.abs(f1) ? x2 : x1;
    const least = (2 * EPSILON * Math.abs(best) + 1e-300) / Math.abs(x2 - x1);
    if (least > 0.5 || fx === 0) return fx === 0 ? x : best;
    t = Math.min(1 - least, Math.max(least, share(x1, x2, x3, f1, f2, f3)));
  }
  throw new RangeError(`no root found between ${a} and ${b}`);
}

export function geometric(a, b, n) {
  const rate = Math.log(b / a) / (n - 1);
  return Float64Array.from({ length: n }, (_, k) => (k === n - 1 ? b : a * Math.exp(rate * k)));
}

export function unpackNumbers(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const view = new DataView(bytes.buffer), length = bytes.length / 2;
  return Float64Array.from({ length }, (_, k) => view.getInt16(2 * k, true) / 32_767);
}
