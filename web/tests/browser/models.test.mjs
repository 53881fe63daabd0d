import assert from 'node:assert/strict';
import {after, afterEach, before, beforeEach, test} from 'node:test';
import {launch, onlyMock, openPage, real, startServer} from './setup.mjs';

let browser, server, page, context, problems;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  if (real) return;
  server = await startServer({speed: 8});
  ({page, context, problems} = await openPage(browser, server.url, {path: '/#models'}));
  await page.getByRole('rowheader', {name: 'smollm2-f32'}).waitFor();
});
afterEach(async () => {
  if (real) return;
  await context.close();
  await server.close();
  assert.deepEqual(problems, []);
});

test('files show size, bits, loss and speed; one that cannot be read says why', onlyMock, async () => {
  const row = page.getByRole('row', {name: 'smollm2-optimized-90MB'}).first();
  for (const text of ['88.2 MB', '5.24', 'perplexity +0.46%', 'KLD 0.0113', '36.8 tokens/s']) await row.getByText(text).waitFor();
  await page.getByText('the file ends within tensor').waitFor();
});

test('a model is loaded and unloaded', onlyMock, async () => {
  await page.getByRole('button', {name: 'Load smollm2-f32'}).click();
  await page.getByRole('button', {name: 'Unload smollm2-f32'}).click();
  await page.getByRole('button', {name: 'Load smollm2-f32'}).waitFor();
});

test('optimize runs, shows the trade-off, and a point becomes the next bound', onlyMock, async () => {
  await page.getByRole('button', {name: 'Make smaller: smollm2-f32'}).click();
  await page.getByLabel('Loss at most').fill('1%');
  server.state.lastStep = 5;
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByRole('progressbar').waitFor();
  await page.getByText(/^step: error of each format, layer \d+ · 0:\d+ left in this step$/).waitFor();
  server.state.lastStep = 15;
  await page.getByText('step: quantize to OPTIMIZED, blk').waitFor();
  server.state.lastStep = Infinity;
  await page.getByRole('button', {name: 'Show the trade-off'}).click();
  const point = page.getByRole('button', {name: /^picked: 101 MB/});
  await point.focus();
  await page.keyboard.press('Enter');
  assert.match(await page.getByLabel('File at most').inputValue(), /^100(\.\d+)?MB$/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'max_size');
  server.state.lastStep = 5;
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByRole('button', {name: /^Cancel smollm2-optimized-100/}).click();
  await page.locator('.job.cancelled').waitFor();
  assert.ok(Math.abs(server.state.jobs[1].options.max_size - 100.5e6) < 1e6);
});

test('a click on a point of the trade-off takes that point, however near the next is', onlyMock, async () => {
  await page.getByRole('button', {name: 'Make smaller: smollm2-f32'}).click();
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByRole('button', {name: 'Show the trade-off'}).click();
  const points = page.locator('.plot-point');
  const count = await points.count();
  for (let i = 0; i < count; ++i) {
    const size = /: (\d+(?:\.\d+)?) MB/.exec(await points.nth(i).getAttribute('aria-label'))[1];
    await points.nth(i).scrollIntoViewIfNeeded();
    const box = await points.nth(i).locator('.plot-mark').boundingBox();
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    const taken = parseFloat(await page.getByLabel('File at most').inputValue());
    assert.ok(Math.abs(taken - size) <= (size < 100 ? 0.06 : 0.51), `${taken} for ${size}`);
  }
});

test('a cancelled job goes on, or is discarded', onlyMock, async () => {
  server.state.lastStep = 5;
  await page.getByRole('button', {name: 'Make smaller: smollm2-f32'}).click();
  await page.getByLabel('File at most').fill('100MB');
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByText('left in this step').waitFor(); // what has computed nothing can't be resumed
  await page.getByRole('button', {name: /^Cancel smollm2-optimized-100/}).click();
  await page.getByRole('button', {name: /^Resume smollm2-optimized-100/}).click();
  await page.getByText('left in this step').waitFor();
  await page.getByRole('button', {name: /^Cancel smollm2-optimized-100/}).click();
  await page.locator('.job.cancelled').waitFor();
  await page.getByRole('button', {name: /^Discard smollm2-optimized-100/}).click();
  await page.locator('.job.cancelled').waitFor({state: 'detached'});
  assert.equal(server.state.jobs.length, 0);
});

test('jobs are listed newest first, and ended ones can be taken from the list', onlyMock, async () => {
  await page.getByRole('radio', {name: /Quantize/}).check();
  const outputs = ['one', 'two', 'three', 'four', 'five'];
  for (const name of outputs) {
    await page.getByLabel('Name of the new file').fill(name);
    await page.getByRole('button', {name: 'Build it'}).click();
    await page.locator('.job', {hasText: `${name}.gguf`}).waitFor();
  }
  const listed = async () => (await page.locator('.job-head b').allInnerTexts()).map((text) => /(\w+)\.gguf$/.exec(text)[1]);
  assert.deepEqual(await listed(), outputs.toReversed());
  await page.reload();
  await page.locator('.job').first().waitFor();
  assert.deepEqual(await listed(), outputs.toReversed());
  await page.getByRole('button', {name: 'Remove the job of three.gguf from the list'}).click();
  await page.getByText('Job removed from the list.').waitFor();
  assert.equal(await page.locator('.job').count(), 4);
  assert.equal(server.state.jobs.length, 4);
});

test('a failed job says why, and a wrong field is marked', onlyMock, async () => {
  await page.getByRole('radio', {name: /Quantize/}).check();
  await page.getByLabel('Type', {exact: true}).selectOption('q2_k');
  await page.getByLabel('Name of the new file').fill('smollm2-q4_1');
  await page.getByText('There is a file of that name already').waitFor();
  assert.ok(await page.getByRole('button', {name: 'Build it'}).isDisabled());
  await page.getByLabel('Name of the new file').fill('tiny');
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByText('rows of 576 do not divide by 256').waitFor();
  await page.getByRole('button', {name: 'Remove the job of tiny.gguf from the list'}).click();
  await page.locator('.job').waitFor({state: 'detached'});
});

test('two models answer the same prompt side by side', onlyMock, async () => {
  await page.getByRole('link', {name: 'Compare'}).click();
  await page.getByLabel('Message', {exact: true}).fill('What is quantization?');
  await page.getByRole('button', {name: 'Execute'}).click();
  await page.locator('.verdict', {hasText: 'They differ from the first word.'}).waitFor();
  const [a, b] = server.state.requests.slice(-2);
  assert.notEqual(a.model, b.model);
  assert.equal(a.seed, b.seed);
  assert.ok(Number.isInteger(a.seed));
  assert.equal(await page.locator('.column .markdown').count(), 2);
});

test('the page asks for a key, and says when it is wrong', onlyMock, async () => {
  const locked = await startServer({key: 'secret'});
  const other = await openPage(browser, locked.url);
  const key = other.page.getByRole('textbox', {name: 'API key'});
  await key.waitFor();
  for (let i = 0; i < 3; ++i) {
    await other.page.keyboard.press('Escape');
    await other.page.waitForTimeout(100);
    assert.ok(await key.isVisible());
  }
  await key.fill('guess');
  await other.page.keyboard.press('Enter');
  await other.page.getByText('The server does not know that key.').waitFor();
  await other.page.getByRole('textbox', {name: 'API key'}).fill('secret');
  await other.page.keyboard.press('Enter');
  await other.page.getByRole('dialog').waitFor({state: 'hidden'});
  await other.page.getByText('Memory').waitFor();
  assert.equal(await other.page.evaluate(() => localStorage.getItem('nibble.key')), null);
  assert.deepEqual(other.problems, []);
  await other.context.close();
  await locked.close();
});

test('a server that goes away is told of, and found again', onlyMock, async () => {
  await page.getByRole('link', {name: 'Chat'}).first().click();
  const port = new URL(server.url).port;
  await server.close();
  await page.getByText('The server does not answer').waitFor();
  server = await startServer({port: Number(port)});
  await page.getByText('The server does not answer').waitFor({state: 'detached'});
});
