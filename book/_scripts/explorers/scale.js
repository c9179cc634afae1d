// Weight decay as a sweep of the initial scale, from a recorded run of a diagonal network. No DOM.

import { unpackNumbers } from "./numerics.js";

/**
 * The recording of book/_ext/recorded_scale.py, unpacked: its columns, from the smallest scale s to
 * the largest, and `weights`, for each s the weights shown, the signal's first.
 */
export function unpack(recording) {
  const all = unpackNumbers(recording.weights), { scale, unit } = recording;
  const each = all.length / scale.length;
  const weights = unit.map((one, k) => all.subarray(k * each, (k + 1) * each).map((w) => w * one));
  return { ...recording, weights, log: scale.map(Math.log) };
}

/** Step at which decay has brought the scale from alpha down to s: ln(alpha / s) / (eta lambda). */
export const stepAt = (scale, { start, rate, decay }) => Math.log(start / scale) / (rate * decay);

/** The scale at a step: alpha exp(-eta lambda step). */
export const scaleAt = (step, { start, rate, decay }) => start * Math.exp(-rate * decay * step);

/** A column of the recording at scale s, on a straight line in ln s; the ends beyond them. */
export function at(column, scale, { log }) {
  const x = Math.log(scale), last = log.length - 1;
  if (x <= log[0]) return column[0];
  if (x >= log[last]) return column[last];
  const k = log.findIndex((one) => one > x);
  const part = (x - log[k - 1]) / (log[k] - log[k - 1]);
  return column[k - 1] + part * (column[k] - column[k - 1]);
}

/** Largest s from which on, downwards, the test accuracy holds the level; 0 if it does not. */
export function scaleOf(level, { test, log, scale }) {
  const last = test.findIndex((one) => one < level);
  if (last <= 0) return last < 0 ? scale.at(-1) : 0;
  const part = (test[last - 1] - level) / (test[last - 1] - test[last]);
  return Math.exp(log[last - 1] + part * (log[last] - log[last - 1]));
}
