// A formula that scrolls in its box can be reached with the keyboard, in browsers that do not see to it themselves too.
const formulas = document.querySelectorAll(".katex-display");
const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const formula of formulas) watcher.observe(formula);
