"use strict";
// Sorts the tables of the page by the column whose head is clicked. Each tbody is one row with its details.
const value = (body, column) => body.rows[0].cells[column].dataset.value ?? body.rows[0].cells[column].textContent.trim();

function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return a !== "" && b !== "" && !isNaN(x) && !isNaN(y) ? x - y : a.localeCompare(b);
}

function sort(table, head) {
  const column = head.cellIndex;
  const order = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const unknown = (body) => value(body, column) === "";
  const bodies = [...table.tBodies].sort(
    (a, b) => unknown(a) - unknown(b) || sign * compare(value(a, column), value(b, column)),
  );
  table.append(...bodies);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}
