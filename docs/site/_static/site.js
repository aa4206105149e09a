// What scrolls sideways on a narrow screen can be reached with the keyboard, too; formulas come last.
function reachable() {
  for (const one of document.querySelectorAll("mjx-container, pre, table, div")) {
    if (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "auto") one.tabIndex = 0;
  }
}
addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(reachable));
addEventListener("resize", reachable);
