/* What the theme leaves without a name, or out of the keyboard's reach. */

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
  for (const box of document.querySelectorAll(".pst-scrollable-table-container, .claim, div.math")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
}

document.addEventListener("DOMContentLoaded", nameControls);
document.addEventListener("DOMContentLoaded", markReferences);
window.addEventListener("load", () => {
  reachScrollers();
  window.MathJax?.startup?.promise?.then(reachScrollers);
});
window.addEventListener("resize", reachScrollers);
