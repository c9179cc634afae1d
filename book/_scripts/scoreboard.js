/* Filters and search of the scoreboard.  Without JavaScript every row is shown. */

const rows = [...document.querySelectorAll("table.scoreboard tbody tr")];
const tools = document.getElementById("scoreboard-tools");
const said = document.createElement("p");
said.setAttribute("role", "status");

/* The values that a mark of the rows takes, in the order of the page. */
function values(mark) {
  return [...new Set(rows.map((row) => row.dataset[mark]))];
}

function labelled(text, control) {
  const label = document.createElement("label");
  control.id = `scoreboard-${text.replaceAll(" ", "-")}`;
  label.htmlFor = control.id;
  label.append(text);
  const both = document.createElement("span");
  both.append(label, " ", control);
  tools.append(both);
  control.addEventListener("input", filter);
  return control;
}

function choice(text, mark) {
  const select = document.createElement("select");
  select.add(new Option("all", ""));
  for (const value of values(mark)) select.add(new Option(value, value));
  select.dataset.mark = mark;
  return labelled(text, select);
}

const choices = [choice("paper", "paper"), choice("verdict", "verdict"), choice("whose", "whose")];
const failed = labelled("failed here", Object.assign(document.createElement("input"), { type: "checkbox" }));
const words = labelled("words", Object.assign(document.createElement("input"), { type: "search" }));
tools.append(said);

function fits(row) {
  const text = row.textContent.toLowerCase();
  return (
    choices.every((one) => !one.value || row.dataset[one.dataset.mark] === one.value) &&
    (!failed.checked || "failed" in row.dataset) &&
    words.value.toLowerCase().split(/\s+/).every((word) => text.includes(word))
  );
}

function filter() {
  for (const row of rows) row.hidden = !fits(row);
  for (const table of document.querySelectorAll("table.scoreboard")) {
    table.hidden = !table.querySelector("tbody tr:not([hidden])");
  }
  for (const section of document.querySelectorAll("section:has(> table.scoreboard)")) {
    section.hidden = !section.querySelector("tbody tr:not([hidden])");
  }
  const shown = rows.filter((row) => !row.hidden).length;
  said.textContent = `${shown} of ${rows.length} claims`;
}

/* A row's address works in any case, and shows the row whatever the filters say. */
function find() {
  const name = location.hash.slice(1);
  const row = rows.find((one) => one.id.toLowerCase() === name.toLowerCase());
  if (!row) return;
  if (row.hidden) {
    for (const one of choices) one.value = "";
    failed.checked = false;
    words.value = "";
    filter();
  }
  if (row.id !== name) location.replace(`#${row.id}`);
  row.querySelector("details").open = true;
  row.scrollIntoView();
}

filter();
find();
window.addEventListener("hashchange", find);
