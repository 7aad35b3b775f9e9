"use strict";

// The corrections: a list of steps [object, image, class], of which the last on an image counts. The class "" stands for none of
// the classes, and null takes a correction back. They are kept in this browser, if it allows that, under the sheet's name.
class Corrections {
  constructor(sheet, changed) {
    this.place = `coatcheck-sheet-${sheet}`;
    this.changed = changed;
    this.load();
    addEventListener("storage", (event) => {
      if (event.key === this.place) {
        this.load();
        changed();
      }
    });
  }

  load() {
    this.steps = [];
    this.isKept = true;
    try {
      const steps = JSON.parse(localStorage.getItem(this.place) || "[]");
      const isStep = (step) => Array.isArray(step) && step.length === 3 && typeof step[0] === "string" &&
        typeof step[1] === "string" && (step[2] === null || typeof step[2] === "string");
      this.steps = Array.isArray(steps) ? steps.filter(isStep) : [];
    } catch {
      this.isKept = false;
    }
    this.derive();
  }

  derive() {
    this.classes = new Map();
    for (const [object, image, name] of this.steps) {
      const key = JSON.stringify([object, image]);
      this.classes.delete(key);
      if (name !== null) this.classes.set(key, name);
    }
  }

  keep() {
    this.derive();
    try {
      if (this.steps.length) localStorage.setItem(this.place, JSON.stringify(this.steps));
      else localStorage.removeItem(this.place);
      this.isKept = true;
    } catch {
      this.isKept = false;
    }
    this.changed();
  }

  // The right class of an image; undefined if nobody corrected it.
  of(object, image) {
    return this.classes.get(JSON.stringify([object, image]));
  }

  correct(object, image, name) {
    this.steps.push([object, image, name]);
    this.keep();
  }

  undo() {
    this.steps.pop();
    this.keep();
  }

  // RFC 4180. What a spreadsheet would take for a formula begins with an apostrophe more, which readers take away again.
  csv() {
    const cell = (text) => {
      const safe = /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
      return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const rows = [...this.classes].map(([key, name]) => [...JSON.parse(key), name]);
    return [["object", "image", "class_name"], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv;charset=utf-8" }));
    link.download = "labels.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
