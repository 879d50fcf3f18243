"use strict";
(() => {
  const compare = (column, numeric) => (a, b) => {
    const left = a.cells[column].dataset.sort, right = b.cells[column].dataset.sort;
    return numeric ? Number(left) - Number(right) : left.localeCompare(right, "en", { numeric: true });
  };

  const sort = (table, heading, column, original) => {
    const was = heading.getAttribute("aria-sort");
    const numeric = heading.classList.contains("numeric");
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const now = was === first ? second : was === second ? null : first;
    table.querySelectorAll("thead th").forEach(other => other.removeAttribute("aria-sort"));
    const body = table.tBodies[0];
    if (!now) {
      body.append(...original);
      return;
    }
    heading.setAttribute("aria-sort", now);
    const filled = original.filter(row => row.cells[column].dataset.sort !== "");
    const blank = original.filter(row => row.cells[column].dataset.sort === "");
    filled.sort(compare(column, numeric));
    if (now === "descending") filled.reverse();
    body.append(...filled, ...blank);
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const original = [...table.tBodies[0].rows];
    table.querySelectorAll("thead th").forEach((heading, column) => {
      const label = heading.querySelector(".label");
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.textContent = label.textContent;
      label.replaceWith(button);
      button.addEventListener("click", () => sort(table, heading, column, original));
    });
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open]):not(.chart details)")];
    opened.forEach(details => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach(details => { details.open = false; }));
})();
