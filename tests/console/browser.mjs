// A browser, somebody signed in, and what every page must hold to.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** What the demo says of itself. */
export const facts = JSON.parse(fs.readFileSync(process.env.LATCHKEY_DEMO, "utf8"));

/** Where screenshots for people go; nowhere when it is not said. */
const pictures = process.env.LATCHKEY_PICTURES;

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

/** A page that notes whatever must not happen on any: errors, policy violations, requests to elsewhere. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: facts.base_url }).catch(() => {});
  const page = await context.newPage();
  const bad = [];
  page.on("pageerror", (error) => bad.push(`error: ${error.message}`));
  page.on("console", (message) => { if (/Content Security Policy|Trusted/i.test(message.text())) bad.push(message.text()); });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "about:"].includes(url.protocol) && url.origin !== facts.base_url) bad.push(`elsewhere: ${request.url()}`);
  });
  page.bad = bad;
  return page;
}

export async function signIn(page, who = facts.console) {
  await page.goto(`${facts.base_url}/console/sign-in`);
  await page.getByLabel("E-mail address").fill(who.email);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
}

/** axe-core in light and dark: nothing serious. */
export async function accessible(page, what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
    const told = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(told, [], `${what} in ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Nothing sticks out at 320 px, and nothing forbidden has happened. */
export async function holds(page, what) {
  const size = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 800 });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what} is ${over} px too wide at 320 px`);
  await page.setViewportSize(size);
  assert.deepEqual(page.bad, [], what);
}

export async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png` });
}
