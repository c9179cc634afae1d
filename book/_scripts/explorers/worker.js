/* Trains a network away from the page, in slices, so that a pause is heard.

   In:  { setting } makes a network; { order: "run" | "pause" | "step" }; { quiet } is how often, in
        ms, the page wants to hear of a run.
   Out: { records, spectrum, state, ended, ms }: the records since the last message, the spectrum of
        the first table now, "running", "paused" or "ended", why it ended if not by its number of
        steps, and the time of a step in ms. */

import { Trainer, due } from "./mlp.js";

let trainer = null, going = false, quiet = 60, records = [], recorded = -1, spent = 0, done = 0;

const over = () => trainer.ended !== "" || trainer.step >= trainer.setting.steps;

function keep(record) {
  if (record.step > recorded) records.push(record);
  recorded = record.step;
}

function advance() {
  const wanted = trainer.step > recorded && due(trainer.step);
  const from = performance.now();
  const record = trainer.advance(wanted);
  spent += performance.now() - from;
  done += 1;
  if (record) keep(record);
}

/** Tell the page; a run that rests is told as it is now. */
function tell() {
  const running = going && !over();
  if (!running && !trainer.ended) keep(trainer.look());
  const state = running ? "running" : over() ? "ended" : "paused";
  const ms = done ? spent / done : 0;
  postMessage({ records, spectrum: trainer.spectrum(), state, ended: trainer.ended, ms });
  records = [];
}

function slice() {
  if (!going) return;
  const until = performance.now() + quiet;
  while (!over() && performance.now() < until) advance();
  if (over()) going = false;
  tell();
  if (going) setTimeout(slice);
}

addEventListener("message", ({ data }) => {
  if (data.quiet) quiet = data.quiet;
  if (data.setting) trainer = new Trainer(data.setting);
  if (data.order === "run" && !going) {
    going = true;
    slice();
  }
  if (data.order === "pause" && going) {
    going = false;
    tell();
  }
  if (data.order === "step" && !going && !over()) {
    advance();
    tell();
  }
});
