// A grid of numbers: one tab stop, arrow keys between its cells, and events that name a cell by row and column.
import { element, format } from "./page.js";

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
    this.cells = [];
    this.typed = "";
    this.describe = (row, column) => `row ${row}, column ${column}: ${this.cells[row][column].textContent}`;
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

  // Give the grid its size. Cells are made anew only when it changes.
  resize(rows, columns) {
    if (rows === this.rows && columns === this.columns) return;
    const [row, column] = this.place ?? [0, 0];
    this.rows = rows;
    this.columns = columns;
    this.cells = Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) =>
        element("div", { role: "gridcell", tabindex: -1, "data-row": i, "data-column": j }),
      ),
    );
    this.shown = Array.from({ length: rows * columns }, () => ({ value: null, shade: null, length: 1 }));
    this.marks = {};
    this.body.replaceChildren(...this.cells.map((cells) => element("div", { role: "row" }, ...cells)));
    this.body.style.setProperty("--columns", columns);
    this.place = null;
    if (rows && columns) this.rove(Math.min(row, rows - 1), Math.min(column, columns - 1));
  }

  // Show numbers, shaded by their size: `strength` is what counts as full. A cell without a number (null) stays empty.
  // Only cells that change are touched.
  show(at, { strength = null, numbers = true } = {}) {
    for (let i = 0; i < this.rows; i += 1) {
      for (let j = 0; j < this.columns; j += 1) {
        const value = at(i, j);
        const cell = this.cells[i][j];
        const shown = this.shown[i * this.columns + j];
        if (numbers && value !== shown.value) {
          shown.value = value;
          const text = value === null ? "" : format(value, this.digits);
          shown.length = text.length;
          cell.textContent = text;
        }
        if (strength === null) continue;
        const shade = Math.max(-1, Math.min(1, value / (strength || 1)));
        if (shade === shown.shade) continue;
        shown.shade = shade;
        cell.style.setProperty("--shade", Math.abs(shade).toFixed(3));
        cell.classList.toggle("cb-negative", shade < 0);
      }
    }
    // All numbers of a grid are as small as its longest needs: one that is larger would seem to matter more.
    const longest = this.shown.reduce((most, { length }) => Math.max(most, length), 1);
    if (longest === this.longest) return;
    this.longest = longest;
    this.body.style.setProperty("--length", longest);
  }

  // Put a class on the cells for which `test` holds, and take it off all others.
  mark(name, test) {
    const marked = (this.marks[name] ??= new Uint8Array(this.rows * this.columns));
    for (let i = 0; i < this.rows; i += 1) {
      for (let j = 0; j < this.columns; j += 1) {
        const holds = test(i, j) ? 1 : 0;
        if (marked[i * this.columns + j] === holds) continue;
        marked[i * this.columns + j] = holds;
        this.cells[i][j].classList.toggle(name, holds === 1);
      }
    }
  }

  // Describe the cell that has the focus anew, after what is said of it has changed.
  relabel() {
    const cell = this.place && this.cells[this.place[0]][this.place[1]];
    if (!cell?.matches(":focus")) return;
    const label = this.describe(...this.place);
    if (cell.getAttribute("aria-label") !== label) cell.setAttribute("aria-label", label);
  }

  rove(row, column, focus = false) {
    if (this.place) this.cells[this.place[0]][this.place[1]].tabIndex = -1;
    this.place = [row, column];
    const cell = this.cells[row][column];
    cell.tabIndex = 0;
    if (focus) cell.focus();
  }

  listen() {
    const found = (event) => {
      const cell = event.target.closest("[role=gridcell]");
      return cell && this.body.contains(cell) ? [Number(cell.dataset.row), Number(cell.dataset.column)] : null;
    };
    const call = (name, ...values) => this.on[name]?.(...values);
    this.body.addEventListener("focusin", (event) => {
      const place = found(event);
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
      const place = found(event);
      if (place && event.pointerType !== "touch") call("point", ...place);
    });
    // A finger leaves whenever it is lifted: what it has touched stays shown until it touches something else.
    this.body.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") call("leave");
    });
    this.body.addEventListener("pointerdown", (event) => {
      const place = found(event);
      if (!place || event.button !== 0) return;
      this.rove(...place, true);
      call("press", ...place);
      if (!this.on.paint) return;
      event.preventDefault();
      this.painted = String(place);
      this.body.setPointerCapture?.(event.pointerId);
    });
    this.body.addEventListener("pointermove", (event) => {
      if (this.painted === undefined || this.painted === null) return;
      const under = document.elementFromPoint(event.clientX, event.clientY)?.closest("[role=gridcell]");
      if (!under || !this.body.contains(under)) return;
      const place = [Number(under.dataset.row), Number(under.dataset.column)];
      if (String(place) === this.painted) return;
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
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, this.columns - 1],
    };
    if (event.key in moves) {
      const [i, j] = moves[event.key];
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
