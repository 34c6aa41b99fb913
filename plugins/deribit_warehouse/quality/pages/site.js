// Filters and sorts the lists. Without scripts every page still shows everything.
"use strict";

function list(form, table) {
  const rows = [...table.tBodies[0].rows];
  const count = form.querySelector("[data-count]");
  const apply = () => {
    const wanted = new FormData(form);
    const text = (wanted.get("text") || "").toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const match = (!wanted.get("dataset") || row.dataset.dataset === wanted.get("dataset"))
        && (!wanted.get("outcome") || row.dataset.outcome === wanted.get("outcome"))
        && row.textContent.toLowerCase().includes(text);
      row.hidden = !match;
      shown += match;
    }
    count.textContent = `${shown} of ${rows.length} validations`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
  apply();  // a browser that comes back keeps the form's values

  for (const head of table.querySelectorAll("th[data-sort]")) {
    head.tabIndex = 0;
    const sort = () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const text = row => row.cells[head.cellIndex].textContent.trim();
      rows.sort((a, b) => text(a).localeCompare(text(b), "en", { numeric: true }) * (ascending ? 1 : -1));
      table.tBodies[0].append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  }
}

function failedOnly(box, area) {
  box.addEventListener("input", () => {
    for (const row of area.querySelectorAll("tr:has(> .hide-succeeded-validation-target-child)")) {
      row.hidden = box.checked;
    }
    for (const section of area.querySelectorAll(".ge-section")) {
      section.hidden = box.checked && !section.querySelector("i.fa-times, i.fa-exclamation-triangle");
    }
  });
}

// Inside Airflow's frame a link out of it is blocked, and the reader is in Airflow already.
if (window.top !== window) {
  for (const link of document.querySelectorAll("a[target=_top]")) link.replaceWith(link.textContent);
}

const form = document.querySelector("[data-filters]");
const table = document.querySelector("[data-list]");
if (form && table) list(form, table);
const box = document.querySelector("[data-only-failed]");
if (box) failedOnly(box, document.querySelector("[data-expectations]"));
