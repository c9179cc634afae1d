/* The random numbers of the book: a seed draws the same training pairs and the same initial weights
   in the page as in the package, by numpy's permutation (SeedSequence, PCG64) and torch's uniform
   numbers (MT19937). */

const times = Math.imul;

/** numpy's SeedSequence of a whole number below 2⁵³, as four words of 64 bits. */
function seedSequence(seed) {
  const entropy = [seed % 2 ** 32, Math.floor(seed / 2 ** 32), 0, 0];
  let constant = 0x43b0d7e5;
  const hash = (value, factor) => {
    value ^= constant;
    constant = times(constant, factor);
    value = times(value, constant);
    return value ^ (value >>> 16);
  };
  const mix = (one, other) => {
    const value = times(0xca01f9dd, one) - times(0x4973f715, other);
    return value ^ (value >>> 16);
  };
  const pool = entropy.map((word) => hash(word, 0x931e8875));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from !== to) pool[to] = mix(pool[to], hash(pool[from], 0x931e8875));
    }
  }
  constant = 0x8b51f9dd;
  const words = Array.from({ length: 8 }, (_, k) => hash(pool[k % 4], 0x58f38ded) >>> 0);
  return [0, 2, 4, 6].map((k) => (BigInt(words[k + 1]) << 32n) | BigInt(words[k]));
}

/** numpy's PCG64 of a seed: a function that returns its next 32 bits. */
function pcg64(seed) {
  const mask = (1n << 128n) - 1n, factor = 0x2360ed051fc65da44385df649fccf645n;
  const [high, low, streamHigh, streamLow] = seedSequence(seed);
  const increment = ((((streamHigh << 64n) | streamLow) << 1n) | 1n) & mask;
  let state = increment;
  const advance = () => { state = (state * factor + increment) & mask; };
  state = (state + ((high << 64n) | low)) & mask;
  advance();
  let waiting = -1;
  return () => {
    if (waiting >= 0) {
      const half = waiting;
      waiting = -1;
      return half;
    }
    advance();
    const folded = BigInt.asUintN(64, (state >> 64n) ^ state), turn = state >> 122n;
    const output = BigInt.asUintN(64, (folded >> turn) | (folded << (-turn & 63n)));
    waiting = Number(output >> 32n);
    return Number(output & 0xffffffffn);
  };
}

/** `numpy.random.default_rng(seed).permutation(n)`. */
export function permutation(n, seed) {
  const next = pcg64(seed), order = Int32Array.from({ length: n }, (_, k) => k);
  for (let k = n - 1; k > 0; k--) {
    const mask = 2 ** (32 - Math.clz32(k)) - 1;
    let other;
    do other = (next() & mask) >>> 0; while (other > k);
    [order[k], order[other]] = [order[other], order[k]];
  }
  return order;
}

/** torch's generator of a seed: a function that returns the next 32 bits of MT19937. */
function mersenneTwister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed % 2 ** 32;
  for (let k = 1; k < 624; k++) {
    state[k] = times(1812433253, state[k - 1] ^ (state[k - 1] >>> 30)) + k;
  }
  let at = 624;
  const renew = () => {
    for (let k = 0; k < 624; k++) {
      const bits = (state[k] & 0x80000000) | (state[(k + 1) % 624] & 0x7fffffff);
      state[k] = state[(k + 397) % 624] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === 624) renew();
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** A draw of float32 numbers uniform in ±bound, as `tensor.uniform_(-bound, bound)` of a seed;
    the draws of one generator follow each other. */
export function uniform(seed) {
  const next = mersenneTwister(seed), f = Math.fround;
  return (n, bound) => {
    const low = f(-bound), width = f(f(bound) - low);
    const draw = () => f(((next() & 0xffffff) / 2 ** 24) * width + low);
    return Float32Array.from({ length: n }, draw);
  };
}
