// Accessibility in every view and look, widths, script size and first paint.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {gzipSync} from 'node:zlib';
import {DIST, accessibility, answered, browser, openPage, real, say, server, useServer} from './setup.mjs';

useServer();

const wide = {width: 1360, height: 860};
const phone = {width: 360, height: 740};
const looks = [
  {colorScheme: 'light', viewport: wide},
  {colorScheme: 'dark', viewport: wide},
  {colorScheme: 'light', viewport: phone, hasTouch: true},
  {colorScheme: 'dark', viewport: phone, locale: 'ru-RU'},
];

for (const look of looks) {
  const name = `${look.colorScheme}, ${look.viewport.width} wide, ${look.locale ?? 'en'}`;
  test(`axe finds nothing, nothing sticks out: ${name}`, async () => {
    const {page, context, problems} = await openPage(browser, server.url, look);
    const found = [];
    const look_at = async (what) => {
      // Colours fade in where a button changes its state.
      await page.waitForTimeout(250);
      found.push(...(await accessibility(page)).map((line) => `${what}: ${line}`));
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) found.push(`${what}: ${over} pixels stick out`);
    };
    await page.locator('.status b').first().waitFor();
    await look_at('empty');
    await page.locator('#message').fill('What is quantization?');
    await page.keyboard.press('Enter');
    await answered(page);
    await look_at('answer');
    const parameters = page.locator('.panel-button.parameters');
    if (await parameters.isVisible()) await parameters.click();
    await page.locator('.parameters summary').click();
    await page.locator('#diversity_penalty').fill('1');
    await page.locator('#num_beams').fill('3');
    await look_at('parameters');
    for (const view of ['compare', 'models']) {
      await page.goto(`${server.url}/#${view}`);
      await page.locator('main h1').waitFor();
      await look_at(view);
    }
    assert.deepEqual(found, []);
    assert.deepEqual(problems, []);
    await context.close();
  });
}

test('the table of models fits, in both languages', {skip: real ? 'needs the mock' : false}, async () => {
  for (const locale of ['en-GB', 'ru-RU']) {
    const {page, context} = await openPage(browser, server.url, {locale, path: '/#models'});
    await page.locator('.model-table').waitFor();
    for (const width of [390, 768, 1011, 1024, 1280]) {
      await page.setViewportSize({width, height: 800});
      const hidden = await page.locator('.table-box').evaluate((box) => box.scrollWidth - box.clientWidth);
      assert.equal(hidden, 0, `${locale} at ${width}`);
    }
    await context.close();
  }
});

test('notices cover no button that executes', async () => {
  const {page, context} = await openPage(browser, server.url);
  const file = {name: 'a.json', mimeType: 'application/json', buffer: Buffer.from('[]')};
  await page.getByText('Memory').waitFor();
  for (const [width, view] of [[1280, 'chat'], [1280, 'compare'], [1000, 'chat'], [390, 'chat'], [390, 'compare']]) {
    await page.setViewportSize({width, height: 800});
    await page.goto(`${server.url}/#${view}`);
    await page.locator('.composer button.primary').waitFor();
    // No conversations are in that file.
    if (view === 'chat') await page.locator('input[type=file]').setInputFiles(file);
    await page.locator('.notice').last().waitFor();
    const notice = await page.locator('.notices').boundingBox();
    const button = await page.locator('.composer button.primary').boundingBox();
    const beside = notice.x >= button.x + button.width;
    const below = notice.y >= button.y + button.height;
    const above = notice.y + notice.height <= button.y;
    assert.ok(beside || below || above, `${view} at ${width}`);
  }
  await context.close();
});

test('script stays under 250 kB compressed', () => {
  const scripts = readdirSync(join(DIST, 'assets')).filter((file) => file.endsWith('.js'));
  const size = scripts.reduce((sum, file) => sum + gzipSync(readFileSync(join(DIST, 'assets', file))).length, 0);
  console.log(`script: ${(size / 1000).toFixed(1)} kB compressed`);
  assert.ok(size < 250_000);
});

const timed = {skip: process.env.UNTIMED ? 'times are not for a machine that runs other tests' : false};
test('first paint comes within a second', timed, async () => {
  const times = [];
  for (let i = 0; i < 3; ++i) {
    const {page, context} = await openPage(browser, server.url);
    await page.locator('.brand').waitFor();
    await page.waitForTimeout(200);
    times.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime));
    await context.close();
  }
  times.sort((a, b) => a - b);
  console.log(`first paint: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  assert.ok(times[1] < 1000);
});

test('the trade-off is accessible too', {skip: real ? 'needs the mock' : false}, async () => {
  const {page, context} = await openPage(browser, server.url, {path: '/#models'});
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByRole('button', {name: 'Show the trade-off'}).click();
  await page.locator('.plot').waitFor();
  assert.deepEqual(await accessibility(page), []);
  await context.close();
});

test('several answers are accessible', async () => {
  const {page, context} = await openPage(browser, server.url);
  await page.getByText('Memory').waitFor();
  await page.getByLabel('Max generation tokens', {exact: true}).fill('16');
  await page.getByLabel('Answers to show', {exact: true}).fill('2');
  await say(page, 'Hello');
  await answered(page);
  assert.deepEqual(await accessibility(page), []);
  await context.close();
});
