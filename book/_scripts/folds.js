/* One switch at the top of a chapter opens all folded code, and remembers it for the others. */

const KEPT = "grokbook-show-code";

/* Private windows may refuse to keep anything; the switch works all the same. */
function remembered() {
  try {
    return localStorage.getItem(KEPT) === "yes";
  } catch {
    return false;
  }
}

function remember(open) {
  try {
    localStorage.setItem(KEPT, open ? "yes" : "no");
  } catch {
    /* As said above. */
  }
}

/* Code folded for the flow of the page; solutions are the reader's own to open. */
const folds = document.querySelectorAll(".tag_hide-input > details");

function show(button, open) {
  button.setAttribute("aria-pressed", String(open));
  for (const fold of folds) fold.open = open;
}

function addSwitch() {
  const title = document.querySelector("article h1");
  if (!folds.length || !title) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "fold-switch";
  button.textContent = "Show all code";
  title.after(button);
  show(button, remembered());
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    show(button, open);
    remember(open);
  });
}

addSwitch();
