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
      button.addEventListener("click", () => {
        sort(table, heading, column, original);
        table.dispatchEvent(new Event("sorted"));
      });
    });
  }

  const sieve = panel => {
    const table = document.getElementById(panel.dataset.for);
    if (!table) return;
    const turning = document.querySelector(`.turning[data-for="${table.id}"]`);
    const told = turning.querySelector(".told");
    const [words, predicted, status, size] = ["text", "class", "status", "size"]
      .map(name => document.getElementById(`sieve-${name}`));
    const buttons = [...turning.querySelectorAll("button")];
    const written = new Map([...table.tBodies[0].rows].map(row => [row, row.textContent.toLowerCase()]));
    let page = 0;

    const fits = row =>
      words.value.toLowerCase().split(/\s+/).every(word => written.get(row).includes(word)) &&
      (!predicted.value || row.dataset.class === predicted.value) &&
      (!status.value || row.dataset.status.split(" ").includes(status.value));

    const show = () => {
      const rows = [...table.tBodies[0].rows];
      const hits = rows.filter(fits);
      const most = Number(size.value) || hits.length || 1;
      const last = Math.max(0, Math.ceil(hits.length / most) - 1);
      page = Math.min(page, last);
      const shown = new Set(hits.slice(page * most, (page + 1) * most));
      rows.forEach(row => row.classList.toggle("off", !shown.has(row)));
      buttons.forEach(button => {
        const end = Number(button.dataset.turn) < 0 ? page === 0 : page === last;
        button.setAttribute("aria-disabled", String(end));
      });
      const from = page * most + 1, to = page * most + shown.size;
      const range = shown.size === hits.length ? "" : shown.size === 1 ? `, row ${from} shown` : `, rows ${from} to ${to} shown`;
      told.textContent = hits.length === rows.length
        ? `${rows.length} ${rows.length === 1 ? "image" : "images"}${range}`
        : `${hits.length} of ${rows.length} images ${hits.length === 1 ? "fits" : "fit"}${range}`;
    };

    const anew = () => { page = 0; show(); };
    [words, predicted, status, size].forEach(field => field.addEventListener("input", anew));
    table.addEventListener("sorted", anew);
    buttons.forEach(button => button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      page += Number(button.dataset.turn);
      show();
    }));
    panel.hidden = turning.hidden = false;
    show();
  };

  const choose = panel => {
    const boxes = [...panel.querySelectorAll("input")];
    const told = panel.querySelector(".told");
    const tiles = [...document.getElementById(panel.dataset.for).querySelectorAll("[data-method]")];
    const show = () => {
      const chosen = new Set(boxes.filter(box => box.checked).map(box => box.value));
      tiles.forEach(tile => tile.classList.toggle("off", !chosen.has(tile.dataset.method)));
      told.textContent = `${chosen.size} of ${boxes.length} shown`;
    };
    const wanted = { all: () => true, none: () => false, method: box => box.dataset.kind === "method" };
    panel.addEventListener("change", show);
    panel.querySelectorAll("button").forEach(button => button.addEventListener("click", () => {
      boxes.forEach(box => { box.checked = wanted[button.dataset.choose](box); });
      show();
    }));
    panel.hidden = false;
    show();
  };

  const reveal = () => {
    const aim = document.getElementById(location.hash.slice(1));
    const folded = aim?.closest("details:not([open])");
    if (!folded) return;
    for (let one = folded; one; one = one.parentElement.closest("details")) one.open = true;
    aim.scrollIntoView();
  };

  document.querySelectorAll(".sieve").forEach(sieve);
  document.querySelectorAll(".chooser").forEach(choose);
  addEventListener("hashchange", reveal);
  reveal();

  // a wide part is a stop of the tab key only while it scrolls
  const stops = new ResizeObserver(seen => seen.forEach(({ target }) => {
    target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  }));
  document.querySelectorAll(".scroll").forEach(part => stops.observe(part));

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open]):not(.chart details, .raw)")];
    opened.forEach(details => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach(details => { details.open = false; }));
})();
