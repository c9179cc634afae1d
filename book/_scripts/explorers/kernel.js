/* Matrix products for training in the page: a WebAssembly module with vector instructions, written
   here byte by byte, and plain loops where a browser has none.

   Every entry of a product is one sum, in the order of k, from the entry's old value or from 0,
   with each product and each addition rounded once. In float64 loops and vector instructions
   therefore give the same bits. In float32 the loops sum in float64 and round at the end: rounding
   every addition, JavaScript would be ten times slower. */

// --- The module -------------------------------------------------------------------------------

// Instructions: WebAssembly core specification, section 5.4.
const GET = 0x20, SET = 0x21, CONST = 0x41, ADD = 0x6a, TIMES = 0x6c, LESS = 0x49;
const LOOP = 0x03, IF = 0x04, ELSE = 0x05, END = 0x0b, BRANCH_IF = 0x0d, NOTHING = 0x40;
const I32 = 0x7f, V128 = 0x7b, VECTOR = 0xfd, LOAD = 0, STORE = 11, V_CONST = 12;
const FORMATS = {
  float64: { bytes: 8, splat: 10, add: [0xf0, 1], times: [0xf2, 1], array: Float64Array },
  float32: { bytes: 4, splat: 9, add: [0xe4, 1], times: [0xe6, 1], array: Float32Array },
};
// Arguments of a product in order: addresses, strides and lengths in bytes, counts.
const [C, C_ROW, A, A_ROW, A_COLUMN, B, B_ROW, ROWS, WIDTH, DEPTH, KEEP] = Array(11).keys();
// Its variables: the next column, row, k; where C, A (four rows) and B stand; vectors.
const [COLUMN, ROW, K, OUT, LINE, B_AT, A_AT] = [11, 12, 13, 14, 15, 16, 17];
const [SUM, RIGHT_0, RIGHT_1, LEFT] = [21, 29, 30, 31];
const N_COUNTERS = 10, N_VECTORS = 11;
// A tile of C: four rows of two vectors.
const TILE_ROWS = 4, TILE_BYTES = 32;

/** An unsigned number in LEB128. */
function leb(number) {
  const bytes = [];
  do {
    bytes.push((number & 127) | (number > 127 ? 128 : 0));
    number >>>= 7;
  } while (number);
  return bytes;
}

const section = (id, ...parts) => [id, ...leb(parts.flat().length), ...parts.flat()];
const text = (string) => [string.length, ...new TextEncoder().encode(string)];
const sum = (into, one, other) => [GET, one, GET, other, ADD, SET, into];
const more = (variable, amount) => [GET, variable, CONST, amount, ADD, SET, variable];
const again = (variable, end) => [GET, variable, GET, end, LESS, BRANCH_IF, 0, END];

/** For each of the tile's eight vectors: what `each(its variable, offset)` emits, row by row. */
function tile(each) {
  const rows = [0, 1, 2, 3].map((row) => [
    [0, 1].map((half) => each(SUM + 2 * row + half, 16 * half)),
    sum(LINE, LINE, C_ROW),
  ]);
  return [GET, OUT, SET, LINE, rows];
}

/** One k: two vectors of B, and four numbers of A times them onto the sums. */
function innermost({ splat, add, times }) {
  const row = (r) => [
    [GET, A_AT + r, VECTOR, splat, 2, 0, SET, LEFT],
    [0, 1].map((half) => {
      const at = SUM + 2 * r + half;
      return [GET, at, GET, LEFT, GET, RIGHT_0 + half, VECTOR, times, VECTOR, add, SET, at];
    }),
    sum(A_AT + r, A_AT + r, A_COLUMN),
  ];
  return [
    [GET, B_AT, VECTOR, LOAD, 2, 0, SET, RIGHT_0, GET, B_AT, VECTOR, LOAD, 2, 16, SET, RIGHT_1],
    [0, 1, 2, 3].map(row),
    sum(B_AT, B_AT, B_ROW),
  ];
}

/** The body of product(C, …): C = A B, or C += A B. */
function body(format) {
  const load = tile((at, offset) => [GET, LINE, VECTOR, LOAD, 2, offset, SET, at]);
  const zero = tile((at) => [VECTOR, V_CONST, Array(16).fill(0), SET, at]);
  const store = tile((at, offset) => [GET, LINE, GET, at, VECTOR, STORE, 2, offset]);
  const pointers = [1, 2, 3].map((r) => sum(A_AT + r, A_AT + r - 1, A_ROW));
  return [
    [CONST, 0, SET, COLUMN, LOOP, NOTHING],
    [CONST, 0, SET, ROW, sum(OUT, C, COLUMN), GET, A, SET, A_AT, LOOP, NOTHING],
    [GET, KEEP, IF, NOTHING, load, ELSE, zero, END],
    [pointers, sum(B_AT, B, COLUMN), CONST, 0, SET, K, LOOP, NOTHING],
    [innermost(format), more(K, 1), again(K, DEPTH)],
    // The four pointers have run along their rows; the next four rows begin at A again.
    [store, GET, LINE, SET, OUT, more(ROW, TILE_ROWS)],
    [GET, A, GET, ROW, GET, A_ROW, TIMES, ADD, SET, A_AT, again(ROW, ROWS)],
    [more(COLUMN, TILE_BYTES), again(COLUMN, WIDTH), END],
  ].flat(Infinity);
}

/** The module's bytes for one format; it imports a memory and exports `product`. */
export function moduleBytes(name) {
  const locals = [2, N_COUNTERS, I32, N_VECTORS, V128];
  const code = [...locals, ...body(FORMATS[name])];
  return new Uint8Array([
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, [1, 0x60, 11, Array(11).fill(I32), 0].flat()),
    section(2, [1, text("page"), text("memory"), 2, 0, 1].flat()),
    section(3, [1, 0]),
    section(7, [1, text("product"), 0, 0].flat()),
    section(10, [1, leb(code.length), code].flat()),
  ].flat());
}

const MODULES = {};

/** The format's module, compiled once; null where there is no WebAssembly with vectors. */
function compiled(name) {
  if (!(name in MODULES)) {
    const bytes = typeof WebAssembly === "object" && moduleBytes(name);
    MODULES[name] = bytes && WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
  }
  return MODULES[name];
}

// --- The same in loops ------------------------------------------------------------------------

/** C (+)= A B in tiles of two rows and four columns; for the arguments see `openKernel`. */
function loops(x, c, cRow, a, aRow, aColumn, b, bRow, rows, columns, depth, keep) {
  for (let i = 0; i < rows; i += 2) {
    for (let j = 0; j < columns; j += 4) {
      const up = c + i * cRow + j, low = up + cRow;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      if (keep) {
        s0 = x[up]; s1 = x[up + 1]; s2 = x[up + 2]; s3 = x[up + 3];
        t0 = x[low]; t1 = x[low + 1]; t2 = x[low + 2]; t3 = x[low + 3];
      }
      for (let k = 0, at = a + i * aRow, of = b + j; k < depth; k++, at += aColumn, of += bRow) {
        const u = x[at], v = x[at + aRow];
        const b0 = x[of], b1 = x[of + 1], b2 = x[of + 2], b3 = x[of + 3];
        s0 += u * b0; s1 += u * b1; s2 += u * b2; s3 += u * b3;
        t0 += v * b0; t1 += v * b1; t2 += v * b2; t3 += v * b3;
      }
      x[up] = s0; x[up + 1] = s1; x[up + 2] = s2; x[up + 3] = s3;
      x[low] = t0; x[low + 1] = t1; x[low + 2] = t2; x[low + 3] = t3;
    }
  }
}

// --- Either -----------------------------------------------------------------------------------

/** What a number of rows or columns has to be a multiple of. */
export const ROW_STEP = TILE_ROWS;
export const columnStep = (name) => TILE_BYTES / FORMATS[name].bytes;

/** Distance of rows in memory: an odd multiple of 64 bytes, so that they share no cache set. */
export function stride(name, columns) {
  const line = 64 / FORMATS[name].bytes, lines = Math.ceil(columns / line);
  return line * (lines + 1 - (lines % 2));
}

/** A memory of `size` numbers of a format, and the product of matrices that lie in it.

    `product(c, cRow, a, aRow, aColumn, b, bRow, rows, columns, depth, keep)`: C = A B, or C += A B
    with `keep`. C and B are stored by rows, A with any distances of rows and columns. Places and
    distances are counted in numbers; rows and columns are multiples of the steps above. */
export function openKernel(name, size, vectors = true) {
  const { bytes, array } = FORMATS[name];
  const module = vectors ? compiled(name) : null;
  if (!module) {
    const numbers = new array(size);
    return { numbers, vectors: false, product: (...where) => loops(numbers, ...where) };
  }
  const memory = new WebAssembly.Memory({ initial: Math.ceil((size * bytes) / 65536) });
  const { product } = new WebAssembly.Instance(module, { page: { memory } }).exports;
  return {
    numbers: new array(memory.buffer, 0, size),
    vectors: true,
    product: (c, cRow, a, aRow, aColumn, b, bRow, rows, columns, depth, keep) =>
      product(bytes * c, bytes * cRow, bytes * a, bytes * aRow, bytes * aColumn, bytes * b,
        bytes * bRow, rows, bytes * columns, depth, keep ? 1 : 0),
  };
}
