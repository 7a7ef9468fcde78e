// Half-precision numbers as 16-bit codes (IEEE 754 binary16), both ways, and the compact numbering of shares.

const SCRATCH_FLOAT = new Float32Array(1);
const SCRATCH_BITS = new Uint32Array(SCRATCH_FLOAT.buffer);

/** The number that a 16-bit code stands for. @param {number} code */
export function halfToNumber(code) {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> 10) & 0x1f;
  const fraction = code & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest 16-bit code, ties to even. @param {number} value */
export function numberToHalf(value) {
  SCRATCH_FLOAT[0] = value;
  const bits = SCRATCH_BITS[0];
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return 0x7e00;
  if (rest >= 0x477ff000) return sign | 0x7c00;
  if (rest < 0x38800000) return sign | roundEven(Math.abs(SCRATCH_FLOAT[0]) * 2 ** 24);
  const kept = rest - 0x38000000;
  const lower = kept & 0x1fff;
  let code = kept >>> 13;
  if (lower > 0x1000 || (lower === 0x1000 && (code & 1))) code += 1;
  return sign | code;
}

/** @param {number} value */
function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

// Shares lie in [-1, 1]: 15361 codes a side. "Step" numbers them without gaps, so that look-up tables stay small:
// 0 .. 15360 from +0 to +1, 15361 .. 30721 from -0 to -1, and one more for "no value here".
const ONE = 0x3c00;
export const NEGATIVE = ONE + 1;
export const NOTHING = 2 * NEGATIVE;
export const STEPS = NOTHING + 1;

/** The step of a half code; anything not in [-1, 1] is "no value". @param {number} code */
export function stepOfHalf(code) {
  const size = code & 0x7fff;
  if (size > ONE) return NOTHING;
  return code & 0x8000 ? NEGATIVE + size : size;
}

/** Signed shares of all steps; NaN for "no value". */
export const SHARES = makeShares();

function makeShares() {
  const shares = new Float64Array(STEPS);
  for (let size = 0; size <= ONE; size++) {
    shares[size] = halfToNumber(size);
    shares[NEGATIVE + size] = -shares[size];
  }
  shares[NOTHING] = NaN;
  return shares;
}

/** Half codes as steps. @param {Uint16Array} codes @param {Uint16Array} [steps] where they are written; the codes themselves will do */
export function stepsOfHalves(codes, steps = new Uint16Array(codes.length)) {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    const size = code & 0x7fff;
    steps[i] = size > ONE ? NOTHING : code & 0x8000 ? NEGATIVE + size : size;
  }
  return steps;
}
