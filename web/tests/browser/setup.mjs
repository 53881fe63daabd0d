// A browser, and the page to look at: the mock's, or a real server's where NIBBLE_URL is set.
//   NIBBLE_KEY: its API key; CHROMIUM: the browser's path
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, afterEach, before, beforeEach} from 'node:test';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';
import {startMock} from '../mock/server.mjs';

export const real = process.env.NIBBLE_URL?.replace(/\/$/, '');
export const onlyMock = {skip: real ? 'needs the mock' : false};
export const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const AXE = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

const REAL_TOKENS = 32;

export const launch = () =>
  chromium.launch({executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']});

/** What a page finds in the browser's memory before a real server: the key, and answers that end soon. */
function prepare({key, limit}) {
  if (key) sessionStorage.setItem('nibble.key', key);
  if (localStorage.getItem('nibble.settings') === null) {
    localStorage.setItem('nibble.settings', JSON.stringify({parameters: {max_tokens: limit}}));
  }
}

/** A page with a clean memory. `problems` gathers what the browser complains of: errors of scripts, breaches of
 *  the policy, requests to anybody else. */
export async function openPage(browser, url, {path = '/', ...options} = {}) {
  const context = await browser.newContext({viewport: {width: 1360, height: 860}, locale: 'en-GB', ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // the machine may run other tests
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // The browser notes each failed request; the tests look at what the page makes of it.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) problems.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(url)) problems.push(`asked ${request.url()}`);
  });
  if (real) await context.addInitScript(prepare, {key: process.env.NIBBLE_KEY, limit: REAL_TOKENS});
  await page.goto(url + path);
  return {page, context, problems};
}

export const startServer = (options) => (real ? {url: real, close: () => {}} : startMock({dist: DIST, speed: 4, ...options}));

/** Those of the test file: each is a process of its own. */
export let browser, server, page, context, problems;

/** A browser and a server for all tests of the file. */
export function useServer() {
  before(async () => {
    browser = await launch();
    server = await startServer();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });
}

/** A page of its own for each test, which must leave no problems. */
export function usePage() {
  beforeEach(async () => {
    ({page, context, problems} = await openPage(browser, server.url));
    await page.getByText('Memory').waitFor();
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(problems, []);
  });
}

/** What axe finds, one line each. */
export async function accessibility(page) {
  // Evaluated by the browser's tools, which the page's policy does not bind.
  await page.evaluate(AXE);
  const {violations} = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary?.split('\n')[1]?.trim()}`));
}

export async function say(page, text) {
  await page.getByLabel('Message', {exact: true}).fill(text);
  await page.getByRole('button', {name: 'Execute'}).click();
}

/** Until the last answer is complete. */
export async function answered(page) {
  await page.locator('.message.assistant').last().waitFor();
  await page.locator('[aria-busy="true"]').waitFor({state: 'detached'});
}
