// In, out, and who else: sessions, forms from other sites, what pages may do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, facts, holds, launch, open, picture, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

test("whoever is not signed in is led to the sign-in page, and back from there", async () => {
  const page = await open(browser);
  await page.goto(`${facts.base_url}/console/keys?state=active`);
  assert.ok(page.url().includes("/console/sign-in?next="));
  await accessible(page, "signing in");
  await picture(page, "sign-in");
  await page.getByLabel("E-mail address").fill(facts.console.email);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("is not right").waitFor();
  await page.getByLabel("Password").fill(facts.console.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "API keys" }).waitFor();
  assert.ok(page.url().endsWith("/console/keys?state=active"));
  await holds(page, "signing in");
  await page.context().close();
});

test("after signing out nothing is seen, not even by going back", async () => {
  const page = await open(browser);
  await signIn(page);
  await accessible(page, "the overview");
  await picture(page, "overview");
  await holds(page, "the overview");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goBack();
  await page.waitForURL(/sign-in/);
  await page.context().close();
});

test("the cookie is none of a script's, and a form from another site changes nothing", async () => {
  const page = await open(browser);
  await signIn(page);
  assert.equal(await page.evaluate(() => document.cookie), "");
  const cookies = await page.context().cookies();
  const session = cookies.find((cookie) => cookie.name === "latchkey");
  assert.ok(session.httpOnly && session.sameSite === "Lax");
  const post = (headers) => fetch(`${facts.base_url}/console/sign-out`, {
    method: "POST", redirect: "manual", body: "form_key=guessed",
    headers: { cookie: `latchkey=${session.value}`, "content-type": "application/x-www-form-urlencoded", ...headers },
  });
  for (const headers of [{}, { origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" }, { "sec-fetch-site": "same-origin" }]) {
    assert.equal((await post(headers)).status, 403, JSON.stringify(headers));
  }
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.context().close();
});

test("a theme is chosen and kept, and other sessions are ended from the profile", async () => {
  const [page, other] = [await open(browser), await open(browser)];
  await signIn(page);
  await signIn(other);
  await page.goto(`${facts.base_url}/console/profile`);
  await accessible(page, "the profile");
  await page.getByLabel("Dark").check();
  await page.getByRole("button", { name: "Change theme" }).click();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await page.getByRole("button", { name: "Sign out every other session" }).click();
  await page.getByText("Every other session of yours is over").waitFor();
  await other.reload();
  await other.getByRole("heading", { name: "Sign in" }).waitFor();
  await holds(page, "the profile");
  await page.context().close();
  await other.context().close();
});
