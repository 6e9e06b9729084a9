// A key's life as a person sees it: made, shown once, found, disabled, rotated, revoked.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, facts, holds, launch, open, picture, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

/** What the server says of a credential. */
async function code(credential) {
  const answer = await fetch(`${facts.base_url}/api/v1/verify`, {
    method: "POST",
    headers: { authorization: `Bearer ${facts.native.verify_key}`, "content-type": "application/json" },
    body: JSON.stringify({ credential }),
  });
  return (await answer.json()).code;
}

/** Makes a key of the sample product, and gives its secret. */
async function make(page, name) {
  await page.goto(`${facts.base_url}/console/keys`);
  await page.getByRole("link", { name: "New key" }).click();
  await page.getByRole("link", { name: /Sample API/ }).click();
  await page.getByLabel(/^Standard key/).check();
  await page.getByLabel(/^Name/).fill(name);
  await page.getByLabel("Never", { exact: true }).check();
  await page.getByLabel(/^Order Clerk/).check();
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByRole("heading", { name: /Copy these now/ }).waitFor();
  return page.getByLabel("Key", { exact: true }).inputValue();
}

/** What is on the page once it goes nowhere else. */
async function settled(page) {
  for (let tries = 1; ; tries += 1) {
    try {
      await page.waitForLoadState();
      return await page.content();
    } catch (error) {
      if (tries === 100 || !/navigating/.test(error.message)) throw error;
    }
  }
}

test("a key is made, its secret is shown once and is good", async () => {
  const page = await open(browser);
  await signIn(page);
  const secret = await make(page, "Browser key");
  assert.match(secret, /^lk_key_/);
  assert.equal(await code(secret), "VALID");
  assert.ok(!page.url().includes("lk_") && !(await page.title()).includes("lk_"));
  await accessible(page, "the shown-once page");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  assert.equal(await page.getByLabel("Key", { exact: true }).getAttribute("type"), "text");
  const copies = page.getByRole("button", { name: "Copy" });
  await copies.nth(1).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  // Leaving needs the tick.
  await page.getByRole("button", { name: "Done" }).click();
  assert.ok(page.url().endsWith("/console/keys/new"));
  await page.getByLabel("I have stored these").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("heading", { name: "Browser key", level: 1 }).waitFor();
  assert.ok(!(await page.content()).includes(secret));
  // The browser kept nothing: it offers to send the form again, and then there is nothing to show.
  await page.goBack().catch((error) => assert.match(error.message, /ERR_CACHE_MISS/));
  assert.ok(!(await settled(page)).includes(secret), "the back button shows nothing");
  await page.reload();
  await page.getByRole("heading", { name: "This secret was shown once" }).waitFor();
  assert.ok(!(await page.content()).includes(secret), "nor does the form when it is sent again");
  await holds(page, "making a key");
  await page.context().close();
});

test("a key is disabled, enabled and revoked, and each is in force at once", async () => {
  const page = await open(browser);
  await signIn(page);
  const secret = await make(page, "Short life");
  await page.getByLabel("I have stored these").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Disable", exact: true }).click();
  await accessible(page, "disabling");
  await page.getByRole("button", { name: "Disable key" }).click();
  await page.getByText("The key is disabled").waitFor();
  assert.equal(await code(secret), "DISABLED");
  await page.getByRole("button", { name: "Enable" }).click();
  await page.getByText("enabled again").waitFor();
  assert.equal(await code(secret), "VALID");
  await page.getByRole("link", { name: "Revoke", exact: true }).click();
  await page.getByLabel(/Type the name/).fill("short life");
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("This is not the key's name").first().waitFor();
  assert.equal(await code(secret), "VALID");
  await accessible(page, "revoking, refused");
  await page.getByLabel(/Type the name/).fill("Short life");
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("revoked for good").waitFor();
  assert.equal(await code(secret), "REVOKED");
  await page.context().close();
});

test("a key is rotated with an overlap, and the old secret goes on for it", async () => {
  const page = await open(browser);
  await signIn(page);
  const old = await make(page, "Turning key");
  await page.getByLabel("I have stored these").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Rotate", exact: true }).click();
  await page.getByLabel("1 hour").check();
  await page.getByRole("button", { name: "Rotate key" }).click();
  const fresh = await page.getByLabel("Key", { exact: true }).inputValue();
  assert.notEqual(fresh, old);
  assert.deepEqual([await code(old), await code(fresh)], ["VALID", "VALID"]);
  await page.getByLabel("I have stored these").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByText("Rotating").waitFor();
  await page.context().close();
});

test("the list is searched, filtered and kept in the URL, and its row menu works by keyboard", async () => {
  const page = await open(browser);
  await signIn(page);
  await page.goto(`${facts.base_url}/console/keys`);
  await accessible(page, "the list of keys");
  await picture(page, "keys");
  await page.getByLabel("Name").fill("sample");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  assert.ok(page.url().includes("search=sample"));
  const names = await page.locator("tbody th").allInnerTexts();
  assert.ok(names.length >= 2 && names.every((name) => /sample/i.test(name)), names.join());
  const menu = page.getByLabel(/What can be done with Sample key/);
  await menu.focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Revoke");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "What can be done with Sample key");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Copy entire row" }).click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^Sample key\t[0-9a-f-]{36}\tsample\tstatic\tactive$/);
  await page.getByLabel("Name").fill("nothing is called so");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("No keys match").waitFor();
  await holds(page, "the list of keys");
  await page.context().close();
});

test("without JavaScript a key is made and revoked all the same", async () => {
  const page = await open(browser, { javaScriptEnabled: false });
  await signIn(page);
  const secret = await make(page, "Plain key");
  assert.equal(await code(secret), "VALID");
  await page.getByLabel("I have stored these").check();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Revoke", exact: true }).click();
  await page.getByLabel(/Type the name/).fill("Plain key");
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("revoked for good").waitFor();
  assert.equal(await code(secret), "REVOKED");
  await page.context().close();
});
