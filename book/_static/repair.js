/* Two accessible names of the theme that do not contain the text they show. */
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("button.search-button-field, button.search-button__button")) {
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim() || "Search");
  }
  for (const summary of document.querySelectorAll("details.hide summary, details.toggle-details summary")) {
    summary.removeAttribute("aria-label");
  }
});
