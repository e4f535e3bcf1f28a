// Transcendental functions on sums of two doubles (about 100 bits), for the x87. Arguments and results are pairs: the high part,
// then what it lacks; a function leaves its result in P.

/** The result of the last operation. */
export class P {
  static hi: f64 = 0;
  static lo: f64 = 0;
}

/** Arcus tangents of k / 8 for k from 0 to 8. */
const ARCTANGENTS: usize = memory.data<f64>([
  0.0, 0.0, 0.12435499454676144, -3.1253241424539383e-18, 0.24497866312686414, 1.0698755618734451e-17,
  0.35877067027057225, -2.4623815582638635e-17, 0.4636476090008061, 2.2698777452961687e-17, 0.5585993153435624,
  -5.4556305485916264e-18, 0.6435011087932844, 1.5834785051444286e-17, 0.7188299996216245, -2.1478388444456983e-17,
  0.7853981633974483, 3.061616997868383e-17,
]);
/** 1 / n! for n from 1 on. */
const INVERSE_FACTORIALS: usize = memory.data<f64>([
  1.0, 0.0, 0.5, 0.0, 0.16666666666666666, 9.25185853854297e-18, 0.041666666666666664, 2.3129646346357427e-18,
  0.008333333333333333, 1.1564823173178714e-19, 0.001388888888888889, -5.300543954373577e-20, 0.0001984126984126984,
  1.7209558293420705e-22, 2.48015873015873e-5, 2.1511947866775882e-23, 2.7557319223985893e-6, -1.858393274046472e-22,
  2.755731922398589e-7, 2.3767714622250297e-23, 2.505210838544172e-8, -1.448814070935912e-24, 2.08767569878681e-9,
  -1.20734505911326e-25, 1.6059043836821613e-10, 1.2585294588752098e-26, 1.1470745597729725e-11, 2.0655512752830745e-28,
  7.647163731819816e-13, 7.03872877733453e-30, 4.779477332387385e-14, 4.399205485834081e-31, 2.8114572543455206e-15,
  1.6508842730861433e-31, 1.5619206968586225e-16, 1.1910679660273754e-32, 8.22063524662433e-18, 2.2141894119604265e-34,
  4.110317623312165e-19, 1.4412973378659527e-36, 1.9572941063391263e-20, -1.3643503830087908e-36, 8.896791392450574e-22,
  -7.911402614872376e-38, 3.868170170630684e-23, -8.843177655482344e-40, 1.6117375710961184e-24,
  -3.6846573564509766e-41, 6.446950284384474e-26, -1.9330404233703465e-42, 2.4795962632247976e-27,
  -1.2953730964765229e-43,
]);
/** 1 / (2 k + 1) for k from 0 on. */
const INVERSE_ODDS: usize = memory.data<f64>([
  1.0, 0.0, 0.3333333333333333, 1.850371707708594e-17, 0.2, -1.1102230246251566e-17, 0.14285714285714285,
  7.93016446160826e-18, 0.1111111111111111, 6.1679056923619804e-18, 0.09090909090909091, -2.523234146875356e-18,
  0.07692307692307693, -4.270088556250602e-18, 0.06666666666666667, 9.251858538542971e-19, 0.058823529411764705,
  8.163404592832033e-19, 0.05263157894736842, 2.921639538487254e-18, 0.047619047619047616, 2.64338815386942e-18,
  0.043478260869565216, 1.206764157201257e-18, 0.04, -8.326672684688674e-19, 0.037037037037037035, 2.05596856412066e-18,
  0.034482758620689655, 4.785444071660157e-19, 0.03225806451612903, 8.953411488912552e-19, 0.030303030303030304,
  -8.410780489584519e-19,
]);

const PI_HI: f64 = Math.PI;
const PI_LO: f64 = 1.2246467991473532e-16;
const HALF_PI_HI: f64 = 1.5707963267948966;
const HALF_PI_LO: f64 = 6.123233995736766e-17;
const LN2_HI: f64 = Math.LN2;
const LN2_LO: f64 = 2.3190468138462996e-17;
const TWO_OVER_LN2_HI: f64 = 2.8853900817779268;
const TWO_OVER_LN2_LO: f64 = 4.0710547481862066e-17;

export function set(hi: f64, lo: f64): void {
  P.hi = hi;
  P.lo = lo;
}

/** P = a + b for |a| >= |b|. */
function quickSum(a: f64, b: f64): void {
  const sum = a + b;
  set(sum, b - (sum - a));
}

/** P = a + b (Knuth). */
function twoSum(a: f64, b: f64): void {
  const sum = a + b;
  const part = sum - a;
  set(sum, a - (sum - part) + (b - part));
}

export function plus(ah: f64, al: f64, bh: f64, bl: f64): void {
  twoSum(al, bl);
  const lowHi = P.hi;
  const lowLo = P.lo;
  twoSum(ah, bh);
  quickSum(P.hi, P.lo + lowHi);
  quickSum(P.hi, P.lo + lowLo);
}

/** P = a * b (Dekker). */
function twoProduct(a: f64, b: f64): void {
  const product = a * b;
  const ta = 134217729.0 * a;
  const tb = 134217729.0 * b;
  const ah = ta - (ta - a);
  const bh = tb - (tb - b);
  const al = a - ah;
  const bl = b - bh;
  set(product, ah * bh - product + ah * bl + al * bh + al * bl);
}

export function times(ah: f64, al: f64, bh: f64, bl: f64): void {
  twoProduct(ah, bh);
  quickSum(P.hi, P.lo + (ah * bl + al * bh));
}

export function over(ah: f64, al: f64, bh: f64, bl: f64): void {
  const q0 = ah / bh;
  times(q0, 0, bh, bl);
  plus(ah, al, -P.hi, -P.lo);
  const rh = P.hi;
  const rl = P.lo;
  const q1 = rh / bh;
  times(q1, 0, bh, bl);
  plus(rh, rl, -P.hi, -P.lo);
  const q2 = P.hi / bh;
  quickSum(q0, q1);
  plus(P.hi, P.lo, q2, 0);
}

/** P = x * P + the coefficient at `at`. */
function step(xh: f64, xl: f64, at: usize): void {
  times(P.hi, P.lo, xh, xl);
  plus(P.hi, P.lo, load<f64>(at), load<f64>(at, 8));
}

/** P = sum of x^i * coefficient(first + i * every), i below `terms`. */
function series(table: usize, first: i32, every: i32, terms: i32, xh: f64, xl: f64): void {
  set(0, 0);
  for (let i = terms - 1; i >= 0; i--) step(xh, xl, table + 16 * (first + i * every));
}

/** P = e^y - 1 for |y| below 0.7. */
function exponential(yh: f64, yl: f64): void {
  const qh = yh * 0.25;
  const ql = yl * 0.25;
  series(INVERSE_FACTORIALS, 0, 1, 16, qh, ql);
  times(P.hi, P.lo, qh, ql);
  for (let i = 0; i < 2; i++) {
    const th = P.hi;
    const tl = P.lo;
    plus(th, tl, 2, 0);
    times(P.hi, P.lo, th, tl);
  }
}

/** P = 2^x - 1 for |x| of at most 1. */
export function exp2m1(xh: f64, xl: f64): void {
  times(xh, xl, LN2_HI, LN2_LO);
  exponential(P.hi, P.lo);
}

/** P = log2((1 + s) / (1 - s)) for |s| of at most 0.18. */
export function log2OfRatio(sh: f64, sl: f64): void {
  times(sh, sl, sh, sl);
  series(INVERSE_ODDS, 0, 1, 17, P.hi, P.lo);
  times(P.hi, P.lo, sh, sl);
  times(P.hi, P.lo, TWO_OVER_LN2_HI, TWO_OVER_LN2_LO);
}

/** P = arcus tangent of r, from 0 to 1. */
export function arctangent(rh: f64, rl: f64): void {
  const k = <i32>nearest<f64>(rh * 8);
  const c = <f64>k * 0.125;
  times(rh, rl, c, 0);
  plus(P.hi, P.lo, 1, 0);
  const dh = P.hi;
  const dl = P.lo;
  plus(rh, rl, -c, 0);
  over(P.hi, P.lo, dh, dl);
  const zh = P.hi;
  const zl = P.lo;
  times(zh, zl, zh, zl);
  series(INVERSE_ODDS, 0, 1, 12, -P.hi, -P.lo);
  times(P.hi, P.lo, zh, zl);
  plus(load<f64>(ARCTANGENTS + 16 * k), load<f64>(ARCTANGENTS + 16 * k, 8), P.hi, P.lo);
}

/** P = sine of r, |r| of at most 0.8. */
export function sine(rh: f64, rl: f64): void {
  times(rh, rl, rh, rl);
  series(INVERSE_FACTORIALS, 0, 2, 13, -P.hi, -P.lo);
  times(P.hi, P.lo, rh, rl);
}

export function cosine(rh: f64, rl: f64): void {
  times(rh, rl, rh, rl);
  const sh = P.hi;
  const sl = P.lo;
  series(INVERSE_FACTORIALS, 1, 2, 13, -sh, -sl);
  times(P.hi, P.lo, -sh, -sl);
  plus(1, 0, P.hi, P.lo);
}

/** P = pi, or half of it. */
export function pi(): void {
  set(PI_HI, PI_LO);
}

export function halfPi(): void {
  set(HALF_PI_HI, HALF_PI_LO);
}
