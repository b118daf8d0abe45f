// Renews what is marked `data-live` whenever Brimline has ticked; without a script the page reloads itself instead.
"use strict";
(() => {
  const root = new URL("..", document.currentScript.src);
  const link = document.getElementById("link");
  const RETRY = 5000; // milliseconds between looks while no events come
  const PATIENCE = 30000; // milliseconds for an answer; without an end one that never comes would freeze the page
  let under_way = false;
  let again = false;
  let standing = ""; // what is said while answers come
  let late = false; // a tick came while the page was hidden or text was selected

  const busy = () => document.hidden || !(getSelection()?.isCollapsed ?? true);

  // What has the focus is found again by what it is, for the element itself is another one after the swap.
  function focused() {
    const one = document.activeElement;
    if (!one || !one.closest("[data-live]")) return null;
    if (one.id) return `#${CSS.escape(one.id)}`;
    if (one.hasAttribute("href")) return `a[href="${CSS.escape(one.getAttribute("href"))}"]`;
    if (one.hasAttribute("aria-label")) return `[aria-label="${CSS.escape(one.getAttribute("aria-label"))}"]`;
    return one.localName === "summary" ? `#${CSS.escape(one.parentElement.id)} > summary` : null;
  }

  function swap(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    const open = new Set([...old.querySelectorAll("details[open]")].map((one) => one.id));
    const moved = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const held = old.contains(document.activeElement) ? focused() : null;
    fresh.querySelectorAll("details").forEach((one) => { one.open = open.has(one.id); });
    old.replaceWith(fresh);
    fresh.querySelectorAll(".scroll").forEach((one, nth) => { one.scrollLeft = moved[nth] ?? 0; });
    if (held) fresh.querySelector(held)?.focus({ preventScroll: true });
  }

  function take(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    document.title = page.title;
    document.body.className = page.body.className;
    const live = document.querySelectorAll("[data-live]");
    const main = page.getElementById("main");
    if (!live.length || page.querySelectorAll("[data-live]").length !== live.length) {
      document.getElementById("main").replaceChildren(...main.childNodes);
      return;
    }
    live.forEach((old) => swap(old, page.getElementById(old.id)));
  }

  async function renew(address = location.href) {
    if (under_way) { again = true; return; }
    under_way = true;
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE), headers: { Accept: "text/html" } });
      const drawn = (answer.headers.get("Content-Type") ?? "").startsWith("text/html");
      if (drawn) take(await answer.text());
      say(drawn ? standing : "no answer");
    } catch {
      say("no answer");
    } finally {
      under_way = false;
    }
    if (again) { again = false; await renew(); }
  }

  function say(word) { link.textContent = word; }

  function ticked() {
    if (busy()) { late = true; return; }
    renew();
  }

  function catch_up() {
    if (late && !busy()) { late = false; renew(); }
  }

  // Without events, or between two connections, it looks by itself.
  let timer = null;
  function poll(on) {
    if (on && !timer) timer = setInterval(ticked, RETRY);
    if (!on && timer) { clearInterval(timer); timer = null; }
  }

  function listen() {
    const events = new EventSource(new URL("api/v1/events", root));
    events.addEventListener("open", () => { say(standing = "live"); poll(false); });
    events.addEventListener("view", ticked);
    events.addEventListener("error", () => {
      say(standing = "looks every 5 s");
      poll(true);
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 6 * RETRY);
    });
    addEventListener("pagehide", () => events.close(), { once: true });
  }

  // Searching and sorting ask the server, as they do without a script, but keep the page.
  function wish(form, button) {
    const wishes = new URLSearchParams(new FormData(form));
    if (button?.name) wishes.set(button.name, button.value);
    for (const [name, value] of [...wishes]) if (!value || (name === "sort" && value === "state")) wishes.delete(name);
    if (form.elements.sort && button?.name === "sort") form.querySelector("input[name=sort]").value = button.value;
    history.replaceState(null, "", `${location.pathname}${wishes.size ? `?${wishes}` : ""}`);
    renew();
  }

  const form = document.getElementById("find");
  if (form) {
    let typing = null;
    form.addEventListener("submit", (event) => { event.preventDefault(); wish(form, event.submitter); });
    form.elements.q.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => wish(form), 150);
    });
    document.addEventListener("keydown", (event) => {
      const typed = event.target.closest?.("input, textarea, select");
      if (event.key === "/" && !typed && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        form.elements.q.focus();
      }
    });
  }

  document.addEventListener("visibilitychange", catch_up);
  document.addEventListener("selectionchange", catch_up);
  listen();
})();
