// The colours that canvases are painted in.

const NAMES = ["input", "positive", "negative", "muted", "ink", "accent"];

// Calls `changed` with the colours of an explorer, as the style sheet writes them, when it is on the page, and whenever
// the site, JupyterLab or VS Code turns dark or light; returns what ends that.
export function onColours(root, changed) {
  const tell = () => {
    if (!root.isConnected) return; // only an element that is on a page has colours
    const style = getComputedStyle(root);
    changed(Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--cb-${name}`).trim()])));
  };
  const arrived = new ResizeObserver(() => {
    if (!root.isConnected) return;
    arrived.disconnect();
    tell();
  });
  arrived.observe(root);
  const theme = new MutationObserver(tell);
  const attributeFilter = ["class", "data-theme", "data-jp-theme-light", "data-vscode-theme-kind"];
  for (const node of [document.documentElement, document.body]) theme.observe(node, { attributeFilter });
  return () => {
    arrived.disconnect();
    theme.disconnect();
  };
}
