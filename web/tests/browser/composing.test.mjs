// What is typed, stopped and edited: what is sent, what stays, and where the focus goes.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {answered, onlyMock, page, say, server, usePage, useServer} from './setup.mjs';

useServer();
usePage();
const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label'));
const button = (name) => page.getByRole('button', {name, exact: true});

for (const way of ['click', 'Enter']) {
  test(`Stop leaves the draft of the next message alone: ${way}`, onlyMock, async () => {
    await say(page, 'a long answer');
    await page.getByText('word3').waitFor();
    await page.locator('#message').fill('the next one');
    await (way === 'click' ? button('Stop').click() : button('Stop').press(way));
    await answered(page);
    await page.waitForTimeout(300);
    assert.equal(await page.locator('.message').count(), 2);
    assert.equal(await page.locator('#message').inputValue(), 'the next one');
    assert.equal(await focused(), 'message');
  });

  test(`Stop ends a comparison, and none begins: ${way}`, onlyMock, async () => {
    await page.getByRole('link', {name: 'Compare'}).click();
    await page.locator('#compare-prompt').fill('a long answer');
    await button('Execute').click();
    await page.getByText('word3').first().waitFor();
    const asked = server.state.requests.length;
    await (way === 'click' ? button('Stop').click() : button('Stop').press(way));
    await button('Execute').waitFor();
    await page.waitForTimeout(300);
    assert.equal(server.state.requests.length, asked);
    assert.equal(await page.locator('.facts', {hasText: 'stopped'}).count(), 2);
    assert.equal(await focused(), 'compare-prompt');
  });
}

test('what was not sent stays when another view is looked at', async () => {
  await page.locator('#message').fill('half a message');
  await page.getByRole('link', {name: 'Compare'}).click();
  await page.locator('#compare-prompt').fill('half a prompt');
  await page.getByRole('link', {name: 'Models'}).click();
  await page.getByRole('link', {name: 'Compare'}).click();
  assert.equal(await page.locator('#compare-prompt').inputValue(), 'half a prompt');
  await page.getByRole('link', {name: 'Chat', exact: true}).click();
  assert.equal(await page.locator('#message').inputValue(), 'half a message');
});

test('the focus is never lost', async () => {
  await say(page, 'First question');
  await answered(page);
  await button('Answer again').press('Enter');
  assert.equal(await focused(), 'message');
  await page.getByText('2 of 2').waitFor();
  await answered(page);
  await button('Previous version').press('Enter');
  assert.equal(await focused(), 'Next version');
  await button('Next version').press('Enter');
  assert.equal(await focused(), 'Previous version');

  for (const leave of [() => page.keyboard.press('Escape'), () => button('Cancel').press('Enter')]) {
    await button('Edit').press('Enter');
    assert.equal(await focused(), 'Edit the message');
    await leave();
    assert.equal(await focused(), 'Edit');
  }
  await button('Edit').press('Enter');
  await page.keyboard.type(' more');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'message');
  await answered(page);
});

test('one model twice is no comparison, and the page says so at every width', onlyMock, async () => {
  await page.getByRole('link', {name: 'Compare'}).click();
  await page.locator('#compare-prompt').fill('Hello');
  await page.locator('#model-left').selectOption('smollm2-q4_1');
  await page.locator('#model-right').selectOption('smollm2-q4_1');
  for (const width of [1280, 390]) {
    await page.setViewportSize({width, height: 800});
    assert.ok(await page.getByText('Choose two different models.').isVisible(), `at ${width}`);
  }
  await page.locator('#model-right').selectOption('smollm2-f32');
  assert.ok(await page.getByText('Choose two models that are loaded.').isVisible());
  await page.locator('#model-right').selectOption('smollm2-optimized-90MB');
  assert.ok(await button('Execute').isEnabled());
});
