/* What the theme leaves without a name, out of the keyboard's reach, pale or folded on paper. */

/* Names that contain the text which the button or summary shows. */
function nameControls() {
  for (const button of document.querySelectorAll("button.search-button-field")) {
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim());
  }
  for (const summary of document.querySelectorAll("details.hide > summary[aria-label]")) {
    summary.removeAttribute("aria-label");
  }
  for (const summary of document.querySelectorAll("nav.bd-links details > summary")) {
    const parent = summary.closest("li").querySelector("a").textContent.trim();
    summary.setAttribute("aria-label", `Pages under ${parent}`);
  }
}

/* A list of references consists of list items. */
function markReferences() {
  for (const entry of document.querySelectorAll("[role=list] > [role=doc-biblioentry]")) {
    entry.setAttribute("role", "listitem");
  }
}

/* A box that scrolls sideways can be scrolled with the arrow keys. */
function reachScrollers() {
  const boxes = ".pst-scrollable-table-container, .claim, div.math";
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
}

/* A figure leads to its picture alone, to zoom in: on a phone it is as small as the page. */
function linkPictures() {
  for (const picture of document.querySelectorAll(".bd-content figure > img")) {
    const link = document.createElement("a");
    link.className = "full-picture";
    link.href = picture.src;
    link.title = "Open the picture alone";
    picture.replaceWith(link);
    link.append(picture);
  }
}

/* Paper is white. */
function printInLight() {
  const page = document.documentElement.dataset;
  let theme = page.theme;
  window.addEventListener("beforeprint", () => {
    theme = page.theme;
    page.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    page.theme = theme;
  });
}

/* What is folded on the screen is open on paper. */
function printUnfolded() {
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("article details:not([open])")];
    for (const details of folded) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
    folded = [];
  });
}

/* A claim's address works in the spelling of its id, #claim-GB-100. */
function findClaim() {
  const name = location.hash.slice(1);
  const spelt = name.toLowerCase();
  if (spelt.startsWith("claim-") && spelt !== name && document.getElementById(spelt)) {
    location.replace(`#${spelt}`);
  }
}

document.addEventListener("DOMContentLoaded", nameControls);
document.addEventListener("DOMContentLoaded", markReferences);
document.addEventListener("DOMContentLoaded", linkPictures);
document.addEventListener("DOMContentLoaded", printInLight);
document.addEventListener("DOMContentLoaded", printUnfolded);
document.addEventListener("DOMContentLoaded", findClaim);
window.addEventListener("hashchange", findClaim);
window.addEventListener("load", () => {
  reachScrollers();
  window.MathJax?.startup?.promise?.then(reachScrollers);
});
window.addEventListener("resize", reachScrollers);
