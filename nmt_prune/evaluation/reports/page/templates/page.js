"use strict";
// Picking techniques: what is of others steps back, in all tables and figures.
const picked = new Set();
const buttons = [...document.querySelectorAll("[data-pick]")];
function show() {
  document.body.classList.toggle("picking", picked.size > 0);
  for (const button of buttons) button.setAttribute("aria-pressed", picked.has(button.dataset.pick));
  for (const one of document.querySelectorAll("main [data-technique]")) {
    one.classList.toggle("picked", picked.has(one.dataset.technique) || one.dataset.technique === "dense");
  }
}
function pick(technique) {
  if (!picked.delete(technique)) picked.add(technique);
  show();
}
for (const button of buttons) button.addEventListener("click", () => pick(button.dataset.pick));
for (const one of document.querySelectorAll(".drawing [data-technique]")) {
  one.addEventListener("click", () => buttons.some((button) => button.dataset.pick === one.dataset.technique) && pick(one.dataset.technique));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && picked.size) { picked.clear(); show(); }
});

// Sorting: by the first number of a cell, else by its text; what has none comes last.
function key(cell) {
  const text = cell.textContent.trim();
  const number = text.replaceAll(",", "").match(/^[-+−]?\d+(\.\d+)?/);
  return text === "–" ? null : number ? parseFloat(number[0].replace("−", "-")) : text;
}
function compare(first, second) {
  if (typeof first === "number" && typeof second === "number") return first - second;
  return String(first).localeCompare(String(second), "en", { numeric: true });
}
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    if (heading.classList.contains("unsorted")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
      rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
