// A grid of numbers: one tab stop, arrow keys between its cells, and events that name a cell by row and column.
import { ARROWS, element, format } from "./page.js";

// A cell, and what is shown of it.
function newCell(row, column) {
  const node = element("div", { role: "gridcell", tabindex: -1, "data-row": row, "data-column": column });
  return { node, value: null, digits: null, shade: null, length: 0, marks: {} };
}

export class Grid {
  // `on` may hold: point(row, column) when a cell is hovered or focused, leave(), write(row, column, value) when the
  // reader types a number into it, press(row, column) when it is clicked or Space is pressed on it, and
  // paint(row, column) when the pointer is dragged over it with the button down.
  // `label` is what a screen reader says, `title` what stands over the grid.
  constructor({ label, title = label, role, on = {}, digits = 2 }) {
    this.on = on;
    this.digits = digits;
    this.rows = 0;
    this.columns = 0;
    this.lines = [];
    this.cells = [];
    this.typed = "";
    this.painted = null;
    this.describe = (row, column) => `row ${row}, column ${column}: ${this.cellAt(row, column).textContent}`;
    this.body = element("div", { class: `cb-grid cb-${role}`, role: "grid", "aria-label": label });
    this.caption = element("div", { class: "cb-title", "aria-hidden": "true" }, title);
    this.root = element("div", { class: "cb-panel" }, this.caption, this.body);
    this.listen();
  }

  name(label, title = label) {
    if (this.caption.textContent === title) return;
    this.caption.textContent = title;
    this.body.setAttribute("aria-label", label);
  }

  // Give the grid its size. Cells that it has and needs stay: to make hundreds anew takes longer than a frame.
  resize(rows, columns) {
    if (rows === this.rows && columns === this.columns) return;
    const gone = this.lines.splice(rows);
    this.cells.splice(rows);
    while (this.lines.length < rows) {
      this.lines.push(element("div", { role: "row" }));
      this.cells.push([]);
    }
    this.cells.forEach((cells, i) => {
      gone.push(...cells.splice(columns).map(({ node }) => node));
      while (cells.length < columns) cells.push(newCell(i, cells.length));
      this.lines[i].append(...cells.filter(({ node }) => !node.parentNode).map(({ node }) => node));
    });
    [this.rows, this.columns] = [rows, columns];
    this.body.append(...this.lines.filter((line) => !line.parentNode));
    this.body.style.setProperty("--columns", columns);
    const [row, column] = this.place ?? [0, 0];
    this.place = null;
    if (rows && columns) this.rove(Math.min(row, rows - 1), Math.min(column, columns - 1));
    // Last, when all else is as it should be: what has the focus says so as it goes.
    for (const node of gone) node.remove();
  }

  // Show numbers, shaded by their size: `strength` is what counts as full. A cell without a number (null) stays empty.
  // Only cells that change are touched.
  show(at, { strength = null } = {}) {
    let longest = 1;
    this.eachCell((cell, i, j) => {
      const value = at(i, j);
      if (value !== cell.value || this.digits !== cell.digits) {
        cell.value = value;
        cell.digits = this.digits;
        const text = value === null ? "" : format(value, this.digits);
        cell.length = text.length;
        cell.node.textContent = text;
      }
      longest = Math.max(longest, cell.length);
      if (strength === null) return;
      const shade = Math.max(-1, Math.min(1, value / (strength || 1)));
      if (shade === cell.shade) return;
      cell.shade = shade;
      cell.node.style.setProperty("--shade", Math.abs(shade).toFixed(3));
      cell.node.classList.toggle("cb-negative", shade < 0);
    });
    // All numbers of a grid are as small as its longest needs: one that is larger would seem to matter more.
    if (longest === this.longest) return;
    this.longest = longest;
    this.body.style.setProperty("--length", longest);
  }

  // Put a class on the cells for which `test` holds, and take it off all others.
  mark(name, test) {
    this.eachCell((cell, i, j) => {
      const holds = Boolean(test(i, j));
      if ((cell.marks[name] ?? false) === holds) return;
      cell.marks[name] = holds;
      cell.node.classList.toggle(name, holds);
    });
  }

  eachCell(visit) {
    this.cells.forEach((cells, i) => cells.forEach((cell, j) => visit(cell, i, j)));
  }

  // Describe the cell that has the focus anew, after what is said of it has changed.
  relabel() {
    const cell = this.place && this.cellAt(...this.place);
    if (!cell?.matches(":focus")) return;
    const label = this.describe(...this.place);
    if (cell.getAttribute("aria-label") !== label) cell.setAttribute("aria-label", label);
  }

  cellAt(row, column) {
    return this.cells[row][column].node;
  }

  // Make a cell the one that Tab reaches.
  rove(row, column, focus = false) {
    if (this.place) this.cellAt(...this.place).tabIndex = -1;
    this.place = [row, column];
    const cell = this.cellAt(row, column);
    cell.tabIndex = 0;
    if (focus) cell.focus();
  }

  listen() {
    const placeOf = (node) => {
      const cell = node?.closest("[role=gridcell]");
      return cell && this.body.contains(cell) ? [Number(cell.dataset.row), Number(cell.dataset.column)] : null;
    };
    const call = (name, ...values) => this.on[name]?.(...values);
    this.body.addEventListener("focusin", (event) => {
      const place = placeOf(event.target);
      if (!place) return;
      this.rove(...place);
      this.typed = "";
      event.target.setAttribute("aria-label", this.describe(...place));
      call("point", ...place);
    });
    this.body.addEventListener("focusout", (event) => {
      event.target.removeAttribute("aria-label"); // it would outlive the number it speaks of
      call("leave");
    });
    this.body.addEventListener("pointerover", (event) => {
      const place = placeOf(event.target);
      if (place && event.pointerType !== "touch") call("point", ...place);
    });
    // A finger leaves whenever it is lifted: what it has touched stays shown until it touches something else.
    this.body.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") call("leave");
    });
    this.body.addEventListener("pointerdown", (event) => {
      const place = placeOf(event.target);
      if (!place || event.button !== 0) return;
      this.rove(...place, true);
      call("press", ...place);
      if (!this.on.paint) return;
      event.preventDefault();
      this.painted = String(place);
      this.body.setPointerCapture?.(event.pointerId);
    });
    this.body.addEventListener("pointermove", (event) => {
      if (this.painted === null) return;
      const place = placeOf(document.elementFromPoint(event.clientX, event.clientY));
      if (!place || String(place) === this.painted) return;
      this.painted = String(place);
      call("paint", ...place);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.body.addEventListener(end, () => {
        this.painted = null;
      });
    }
    this.body.addEventListener("keydown", (event) => this.key(event, call));
  }

  key(event, call) {
    if (!this.place || event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = this.place;
    const [down, right] = ARROWS[event.key] ?? [0, 0];
    const moves = { Home: [row, 0], End: [row, this.columns - 1] };
    if (event.key in ARROWS || event.key in moves) {
      const [i, j] = moves[event.key] ?? [row + down, column + right];
      if (i >= 0 && i < this.rows && j >= 0 && j < this.columns) this.rove(i, j, true);
    } else if (event.key === " " || event.key === "Enter") {
      call("press", row, column);
    } else if (this.on.write && /^[-0-9.]$/.test(event.key)) {
      // Digits add up to a number; a minus sign begins a new one.
      this.typed = event.key === "-" ? "-" : this.typed + event.key;
      const value = Number(this.typed);
      if (Number.isFinite(value)) call("write", row, column, value);
    } else if (this.on.write && (event.key === "Backspace" || event.key === "Delete")) {
      this.typed = "";
      call("write", row, column, 0);
    } else {
      return;
    }
    event.preventDefault();
  }
}
