// What the pages do better with a script. Without it every one of them still works.

/** Says something to whoever listens instead of looking. */
function say(text) {
  const live = document.getElementById("live");
  if (live) { live.textContent = ""; setTimeout(() => { live.textContent = text; }, 50); }
}

/** Copies a text; where the browser does not let pages do that, it selects it and says how. */
async function copy(text, field, what) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      say(`${what} copied`);
      return true;
    } catch { /* The field is selected instead. */ }
  }
  if (field) { field.type = "text"; field.focus(); field.select(); }
  say("Press Ctrl-C to copy");
  return false;
}

/** Buttons that copy: of a field (data-copy="id"), or what they carry themselves (data-copy-text). */
function copyButtons() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy], [data-copy-text]");
    if (!button) return;
    const field = button.dataset.copy ? document.getElementById(button.dataset.copy) : null;
    const text = field ? (field.value ?? field.textContent) : button.dataset.copyText;
    if (await copy(text, field?.select ? field : null, button.dataset.what ?? "Text")) {
      const was = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = was; }, 2000);
    }
    button.closest("details.row-menu")?.removeAttribute("open");
  });
}

/** Fields that are masked until somebody wants to see them. */
function maskedFields() {
  for (const button of document.querySelectorAll("[data-show]")) {
    const field = document.getElementById(button.dataset.show);
    field.type = "password";
    button.hidden = false;
    button.addEventListener("click", () => {
      const masked = field.type === "password";
      field.type = masked ? "text" : "password";
      button.textContent = masked ? "Hide" : "Show";
      button.setAttribute("aria-pressed", String(masked));
    });
  }
}

/** A page with secrets is not left by accident. */
function guard() {
  const form = document.querySelector("form[data-guard]");
  if (!form) return;
  let done = false;
  addEventListener("beforeunload", (event) => { if (!done) event.preventDefault(); });
  form.addEventListener("submit", () => { done = true; });
  // A page that comes back from the browser's own memory has nothing to show any more.
  addEventListener("pageshow", (event) => { if (event.persisted) location.replace(form.action); });
  addEventListener("pagehide", () => {
    for (const field of document.querySelectorAll("[data-secret]")) field.value = "";
  });
}

/** Menus of rows: by button, by the right mouse button, by the menu key; arrows, first letters, Escape. */
function menus() {
  const items = (menu) => [...menu.querySelectorAll("a, button")];
  const close = (menu, back) => { menu.open = false; if (back) menu.querySelector("summary").focus(); };
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches?.("details.row-menu") || !menu.open) return;
    for (const other of document.querySelectorAll("details.row-menu[open]")) if (other !== menu) close(other);
    // This comes a moment later: whoever has gone on by a key stays there.
    if (!items(menu).includes(document.activeElement)) items(menu)[0]?.focus();
  }, true);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.row-menu[open]")) if (!menu.contains(event.target)) close(menu);
  });
  document.addEventListener("contextmenu", (event) => {
    const menu = event.target.closest?.("tr")?.querySelector("details.row-menu");
    if (!menu || event.shiftKey || event.target.closest("details.row-menu")) return;
    event.preventDefault();
    const cell = event.target.closest("td, th");
    const field = menu.querySelector("[data-copy-cell]");
    if (field && cell) field.dataset.copyText = cell.innerText.trim();
    menu.open = true;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.row-menu[open]");
    if (!menu) return;
    const all = items(menu), at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); all[(to + all.length) % all.length].focus(); return; }
    if (event.key === "Escape") { event.preventDefault(); close(menu, true); return; }
    if (event.key === "Tab") { close(menu, true); return; }
    if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const hit = [...all.slice(at + 1), ...all].find((item) => item.innerText.trim().toLowerCase().startsWith(event.key.toLowerCase()));
      hit?.focus();
    }
  });
}

/** Single letters, where nobody types: what they do stands on the page of shortcuts. */
function shortcuts() {
  if (document.documentElement.dataset.shortcuts === "off") return;
  let waiting = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, select, textarea, details.row-menu[open]")) return;
    if (waiting) {
      waiting = false;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "g") { waiting = true; setTimeout(() => { waiting = false; }, 1500); }
    if (event.key === "/") { const field = document.querySelector("input[type=search]"); if (field) { event.preventDefault(); field.focus(); } }
    if (event.key === "n") { const link = document.querySelector("[data-new]"); if (link) { event.preventDefault(); link.click(); } }
  });
}

/** Parts of a form that belong to a choice are shown with it: data-when="name=value". */
function dependants() {
  const parts = [...document.querySelectorAll("[data-when]")];
  const look = () => {
    for (const part of parts) {
      const [name, value] = part.dataset.when.split("=");
      const field = part.closest("form").elements[name];
      const now = field?.type === "checkbox" ? String(field.checked) : field?.value;
      part.hidden = !value.split("|").includes(now);
    }
  };
  if (parts.length) { document.addEventListener("change", look); look(); }
}

/** Times in the reader's own zone beside the written ones. */
function localTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.title = `${time.title ? time.title + " · " : ""}${at.toLocaleString()} here`;
  }
}

copyButtons();
maskedFields();
guard();
menus();
shortcuts();
dependants();
localTimes();
const wrong = document.querySelector("[data-wrong]");
if (wrong) wrong.focus();
// A link from a terminal carries its token behind the #, which no server and no log sees.
const hole = document.querySelector("[data-from-fragment]");
if (hole && location.hash.length > 1) {
  hole.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}
