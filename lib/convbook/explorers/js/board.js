// A board of pixels to draw on: by mouse, pen or finger, or by the keyboard with a cursor.
import { stroke } from "./drawing.js";
import { ARROWS, element } from "./page.js";
import { Pixels } from "./pixels.js";

export class Board {
  // `on` holds change(image, done, note), called with a new image of values 0 to 255, where `done` is false while a
  // stroke goes on and `note` says what the keyboard did; and say(text), when nothing has changed.
  constructor({ label, help, size, on }) {
    this.on = on;
    this.size = size;
    this.image = { shape: [size, size], data: new Float64Array(size * size) };
    this.past = [];
    this.erasing = false;
    this.cursor = [Math.floor(size / 4), Math.floor(size / 2)];
    this.picture = new Pixels(size, size, {
      tabindex: 0,
      role: "application",
      "aria-label": label,
      "aria-roledescription": "drawing board",
      "aria-describedby": help,
    });
    this.mark = element("div", { class: "cb-cursor" });
    this.root = element("div", { class: "cb-board" }, this.picture.canvas, this.mark);
    this.point();
    this.listen();
  }

  show(image, colour) {
    this.image = image;
    this.picture.show(image.data, { strength: 255, positive: colour });
  }

  // Another image, which Undo takes back.
  replace(image) {
    this.remember();
    this.image = image;
    this.on.change(image, true);
  }

  remember() {
    this.past.push(this.image);
    if (this.past.length > 100) this.past.shift();
  }

  undo() {
    if (!this.past.length) return false;
    this.image = this.past.pop();
    this.on.change(this.image, true);
    return true;
  }

  line(from, to, erase, done, note) {
    const image = { shape: this.image.shape, data: this.image.data.slice() };
    stroke(image, from, to, erase);
    this.image = image;
    this.on.change(image, done, note);
  }

  listen() {
    const { canvas } = this.picture;
    const place = ({ clientX, clientY }) => {
      const { left, top, width, height } = this.box;
      return [((clientY - top) / height) * this.size, ((clientX - left) / width) * this.size];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.pen !== undefined) return;
      this.pen = event.pointerId;
      this.box = canvas.getBoundingClientRect();
      canvas.setPointerCapture?.(event.pointerId);
      this.remember();
      this.last = place(event);
      this.line(this.last, this.last, this.erasing, false);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pen) return;
      // A fast hand makes several points between two pictures of the screen.
      const points = event.getCoalescedEvents?.() ?? [];
      for (const point of points.length ? points : [event]) {
        const next = place(point);
        this.line(this.last, next, this.erasing, false);
        this.last = next;
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        if (event.pointerId !== this.pen) return;
        this.pen = undefined;
        this.on.change(this.image, true);
      });
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const middle = () => this.cursor.map((at) => at + 0.5);
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
      if (!this.undo()) this.on.say("There is nothing to undo.");
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (event.key in ARROWS) {
      const from = middle();
      this.cursor = this.cursor.map((at, axis) => Math.min(Math.max(at + ARROWS[event.key][axis], 0), this.size - 1));
      this.point();
      if (event.shiftKey) this.dot(from, middle(), false);
      else this.on.say(`R${this.where().slice(1)}: ${this.ink()}.`);
    } else if (event.key === " ") {
      this.dot(middle(), middle(), this.erasing);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.dot(middle(), middle(), true);
    } else {
      return;
    }
    event.preventDefault();
  }

  dot(from, to, erase) {
    this.remember();
    this.line(from, to, erase, true, `${erase ? "Erased" : "Drawn"} at ${this.where()}. `);
  }

  where() {
    return `row ${this.cursor[0]}, column ${this.cursor[1]}`;
  }

  ink() {
    const value = this.image.data[this.cursor[0] * this.size + this.cursor[1]];
    if (value === 0) return "empty";
    return value > 127 ? "drawn" : "drawn faintly";
  }

  point() {
    this.mark.style.setProperty("--row", this.cursor[0]);
    this.mark.style.setProperty("--column", this.cursor[1]);
  }
}
