"""What all explorers keep to on a page. What each does: the files named after them."""

import pytest

from convbook import datasets, explorers, models

MADE = {name: getattr(explorers, name) for name in explorers.__all__}
MADE["LeNetExplorer"] = lambda: explorers.LeNetExplorer(
    models.lenet5(seed=0), {"a digit": datasets.load_digits(test=1).x_test[0]}
)
# Remembers how everything looks and, the second time, tells what has changed.
LOOK = """() => {
  const looks = new Map();
  for (const node of document.querySelectorAll(".convbook-explorer, .convbook-explorer *")) {
    for (const part of ["", "::before", "::after"]) {
      const style = getComputedStyle(node, part);
      if (part && style.content === "none") continue;
      const name = `${looks.size} ${node.tagName} ${node.className} ${part}`;
      looks.set(name, new Map([...style].map((key) => [key, style.getPropertyValue(key)])));
    }
  }
  const known = window.known ?? looks;
  window.known = looks;
  const changed = (name) => [...known.get(name)].filter(([key, value]) => looks.get(name)?.get(key) !== value);
  const told = (name) => changed(name).map(([key, value]) => `${name}: ${key} was ${value}`);
  return [looks.size, [...known.keys()].flatMap(told)];
}"""


@pytest.mark.parametrize("width", [640, 360])
@pytest.mark.parametrize("name", sorted(MADE))
def test_an_explorer_looks_the_same_whichever_others_stand_after_it(mount, name, width):
    page = mount(MADE[name](), width=width, reduced_motion="reduce")
    alone, _ = page.evaluate(LOOK)
    page.add_style_tag(content="".join(getattr(explorers, other)._css for other in explorers.__all__ if other != name))
    together, changed = page.evaluate(LOOK)
    assert alone == together > 30
    assert changed == []
