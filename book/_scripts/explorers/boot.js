/* Starts a page's explorers, each when it comes near the window.

   <div class="explorer" data-explorer="NAME"></div> is filled by `start(element, setting)` of
   ./NAME-explorer.js (it may be async).  `setting` holds what the address asks for, as strings:
   #NAME?ratio=0.9&decay=0 gives { ratio: "0.9", decay: "0" } and leads to the explorer; {} else.
   element.dataset.state is "waiting", "loading", then "ready" or "failed".  Where the explorer does
   not start, one line says so and the rest of the page stays as it is. */

const WELL_NAMED = /^[a-z][a-z0-9-]*$/;

/* What the address asks of the explorer of this name. */
export function asked(name, hash = location.hash) {
  const [target, query = ""] = hash.slice(1).split("?");
  return target === name ? Object.fromEntries(new URLSearchParams(query)) : null;
}

/* A run that was recorded when the site was built, see book/_ext/recordings.py. */
export async function recorded(name) {
  const answer = await fetch(new URL(`../recordings/${name}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`no recording: ${answer.status}`);
  return answer.json();
}

async function fill(element) {
  const name = element.dataset.explorer;
  element.dataset.state = "loading";
  try {
    if (!WELL_NAMED.test(name)) throw new Error(`no explorer is called ${name}`);
    const page = await import(`./${name}-explorer.js`);
    await page.start(element, asked(name) ?? {});
    element.dataset.state = "ready";
  } catch (error) {
    element.dataset.state = "failed";
    const line = document.createElement("p");
    line.textContent = "The interactive figure did not start here; the still figure stands for it.";
    element.replaceChildren(line);
    console.warn(`explorer ${name}: ${error.message}`);
  }
}

function boot() {
  const near = new IntersectionObserver(
    (seen) => {
      for (const one of seen.filter((each) => each.isIntersecting)) {
        near.unobserve(one.target);
        fill(one.target);
      }
    },
    { rootMargin: "400px" },
  );
  for (const element of document.querySelectorAll("[data-explorer]")) {
    element.dataset.state = "waiting";
    near.observe(element);
    if (asked(element.dataset.explorer)) element.scrollIntoView();
  }
}

boot();
