import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {answered, context, onlyMock, page, real, say, server, usePage, useServer} from './setup.mjs';

useServer();
usePage();
const answers = () => page.locator('.message.assistant');

test('an answer streams, and its figures are shown', async () => {
  // The answer begins when Stop has been seen: a busy machine may look after its end.
  let begin;
  const stoppable = new Promise((resolve) => (begin = resolve));
  await page.route('**/v1/chat/completions', async (route) => {
    await stoppable;
    await route.continue();
  });
  await say(page, 'What is quantization?');
  await page.getByRole('button', {name: 'Stop'}).waitFor();
  begin();
  await answered(page);
  assert.match(await answers().locator('.facts').innerText(), /tokens · .*tokens\/s · first after/);
  assert.ok((await answers().locator('.markdown').innerText()).length > 0);
});

test('Markdown is drawn, and code is copied', onlyMock, async () => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await say(page, 'What is quantization?');
  await answered(page);
  await answers().locator('strong', {hasText: '11 bits'}).waitFor();
  await answers().getByRole('button', {name: 'Copy', exact: true}).first().click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^def quantize/);
});

test('markup in an answer stays text', onlyMock, async () => {
  await say(page, 'markup');
  await answered(page);
  assert.match(await answers().innerText(), /<script>alert\(2\)<\/script>/);
  assert.equal(await answers().locator('img, script, [href^=javascript]').count(), 0);
});

test('Stop ends an answer; what came stays', onlyMock, async () => {
  await say(page, 'a long answer');
  await page.getByText('word3').waitFor();
  await page.keyboard.press('Escape');
  await answered(page);
  assert.match(await answers().locator('.facts').innerText(), /stopped/);
  assert.match(await answers().innerText(), /word3/);
});

test('answering again and editing make branches that can be gone back to', async () => {
  await say(page, 'First question');
  await answered(page);
  await page.getByRole('button', {name: 'Answer again'}).click();
  await page.getByText('2 of 2').waitFor();
  await answered(page);
  await page.locator('.message.user').getByRole('button', {name: 'Edit'}).click();
  await page.getByLabel('Edit the message').fill('Second question');
  await page.locator('.editor').getByRole('button', {name: 'Execute'}).click();
  await answered(page);
  assert.equal(await page.locator('.said').innerText(), 'Second question');
  await page.locator('.message.user').getByRole('button', {name: 'Previous version'}).click();
  assert.equal(await page.locator('.said').innerText(), 'First question');
  assert.match(await answers().locator('.versions').innerText(), /2 of 2/);
});

test('Clear empties the window, and can be undone', async () => {
  await say(page, 'Hello');
  await answered(page);
  await page.getByRole('button', {name: 'Clear'}).click();
  assert.equal(await page.locator('.message').count(), 0);
  await page.getByRole('button', {name: 'Undo'}).click();
  assert.equal(await page.locator('.message').count(), 2);
});

test('conversations outlive the page, and go out and in as a file', async () => {
  await say(page, 'Remember me');
  await answered(page);
  await page.waitForTimeout(700);
  await page.reload();
  await page.getByRole('button', {name: 'Remember me', exact: true}).click();
  await answers().waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: 'Export'}).click()]);
  const file = await download.path();
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).conversations.length, 1);
  await page.getByRole('button', {name: 'Delete “Remember me”'}).click();
  await page.locator('input[type=file]').setInputFiles(file);
  await page.getByText('1 conversation imported.').waitFor();
  assert.equal(await page.locator('.said').innerText(), 'Remember me');
  const facts = await answers().locator('.facts').innerText();
  assert.match(facts, /tokens · .*tokens\/s/);
  await page.locator('input[type=file]').setInputFiles(file);
  await page.getByText('0 conversations imported. 1 conversation is here already.').waitFor();
  assert.equal(await page.locator('.conversation-name', {hasText: 'Remember me'}).count(), 1);
});

test('an answer that the page did not see end is marked as stopped', onlyMock, async () => {
  await say(page, 'a long answer');
  await page.getByText('word9').waitFor();
  await page.reload();
  await page.getByRole('button', {name: 'a long answer', exact: true}).click();
  await answers().getByText('word9').waitFor();
  assert.match(await answers().locator('.facts').innerText(), /stopped/);
  await page.getByRole('button', {name: 'Answer again'}).click();
  await page.locator('.message[aria-busy=true]').getByText('word3').waitFor();
  await page.getByRole('button', {name: 'Delete “a long answer”'}).click();
  await page.getByRole('button', {name: 'Undo'}).click();
  assert.match(await answers().locator('.facts').innerText(), /stopped/);
});

test('contradictions are shown at the control, block, and are mended', async () => {
  await page.getByLabel('Diversity penalty', {exact: true}).fill('0.5');
  const problem = page.locator('#diversity_penalty-problem');
  await problem.getByText('Has no meaning without groups').waitFor();
  assert.equal(await page.getByLabel('Diversity penalty', {exact: true}).getAttribute('aria-invalid'), 'true');
  await say(page, 'Hello');
  await page.getByText('Some parameters contradict each other').waitFor();
  assert.equal(await page.locator('.message').count(), 0);
  await problem.getByRole('button', {name: 'Mend it'}).click();
  assert.equal(await page.locator('.problem.error').count(), 0);
  assert.equal(await page.getByLabel('Groups of beams', {exact: true}).inputValue(), '2');
});

test('sliders keep within what is allowed', async () => {
  for (const name of ['Temperature', 'Top-p', 'Typical-p', 'Repetition penalty']) {
    await page.getByRole('slider', {name: `${name}, slider`}).press('Home');
    assert.ok(Number(await page.getByLabel(name, {exact: true}).inputValue()) > 0, name);
  }
  assert.equal(await page.locator('.problem.error').count(), 0);
});

test('a seed that is none is told of, and its field has room', async () => {
  await page.locator('.parameters summary').click();
  const seed = page.getByLabel('Seed', {exact: true});
  for (const [wrong, text] of [['1.5', 'Must be a whole number.'], ['99999999999999999999', 'Must be from -9007']]) {
    await seed.fill(wrong);
    await page.locator('#seed-problem').getByText(text).waitFor();
    assert.equal(await seed.getAttribute('aria-invalid'), 'true');
    await seed.blur();
    assert.notEqual(await seed.inputValue(), '');
  }
  await page.locator('#seed-problem').getByRole('button', {name: 'Mend it'}).click();
  assert.equal(await seed.inputValue(), '');
  assert.equal(await seed.getAttribute('aria-invalid'), 'false');
});

test('beams stand side by side, and one is picked', async () => {
  await page.locator('.parameters').getByRole('button', {name: 'Translation'}).click();
  await page.getByLabel('Max generation tokens', {exact: true}).fill('24');
  await page.getByLabel('Answers to show', {exact: true}).fill('3');
  await page.getByLabel('Translate into').waitFor({state: 'detached'});
  await say(page, 'The model got smaller.');
  await answered(page);
  assert.equal(await page.locator('.choice').count(), 3);
  await page.locator('.choice').nth(1).getByRole('button', {name: 'Go on with this one'}).click();
  assert.match(await page.locator('.choice').nth(1).getAttribute('class'), /picked/);
  if (real) return;
  const sent = server.state.requests.at(-1);
  assert.equal(sent.num_beams, 4);
  assert.equal(sent.n, 3);
  assert.equal(sent.temperature, 0);
});

test('errors say what the server said', onlyMock, async () => {
  for (const [kind, text] of [
    ['status', 'too many requests wait already'],
    ['midway', 'the server is shutting down'],
    ['cut', 'The connection broke before the answer was complete'],
  ]) {
    server.state.fail = kind;
    await say(page, `fail ${kind}`);
    if (kind === 'cut') {
      await page.locator('.message[aria-busy=true]').getByText('half-precision').waitFor();
      server.state.seen = true;
    }
    await page.getByRole('alert').getByText(text).last().waitFor();
    await answered(page);
  }
  await page.getByRole('button', {name: 'Try again'}).last().click();
  await page.getByText('2 of 2').waitFor();
  await answered(page);
});

test('everything can be done with the keyboard', async () => {
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.getByLabel('Message', {exact: true}).focus();
  await page.keyboard.type('Hello');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('there');
  await page.keyboard.press('Enter');
  await answered(page);
  assert.equal(await page.locator('.said').innerText(), 'Hello\nthere');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'message');
});

test('Russian', async () => {
  await page.getByLabel('Language').selectOption('ru');
  await page.getByRole('button', {name: 'Исполнить'}).waitFor();
  await page.getByRole('button', {name: 'Очистить'}).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'ru');
});
