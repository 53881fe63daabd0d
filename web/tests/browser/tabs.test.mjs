// One conversation, open in two tabs.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {answered, browser, openPage, say, server, useServer} from './setup.mjs';

useServer();

/** While a tab has a list `held`, what other tabs tell it waits there: on a busy machine a message may arrive
 *  before the next click does. */
function holdMessages() {
  const Channel = globalThis.BroadcastChannel;
  globalThis.BroadcastChannel = class extends Channel {
    addEventListener(type, hear) {
      super.addEventListener(type, (event) => (globalThis.held ? globalThis.held.push(() => hear(event)) : hear(event)));
    }
  };
}

async function bothOpen() {
  const {page: one, context, problems} = await openPage(browser, server.url);
  await context.addInitScript(holdMessages);
  await one.getByText('Memory').waitFor();
  await say(one, 'Where we start');
  await answered(one);
  await one.waitForTimeout(700);
  const two = await context.newPage();
  await two.goto(server.url);
  await two.getByRole('button', {name: 'Where we start', exact: true}).click();
  await two.locator('.message.assistant').waitFor();
  return {one, two, context, problems};
}

test('a message of one tab appears in the other, and neither overwrites it', async () => {
  const {one, two, context, problems} = await bothOpen();
  await say(two, 'From the second tab');
  await answered(two);
  await one.locator('.said', {hasText: 'From the second tab'}).waitFor();
  await say(one, 'From the first tab');
  await answered(one);
  await two.locator('.said', {hasText: 'From the first tab'}).waitFor();
  await two.reload();
  await two.getByRole('button', {name: 'Where we start', exact: true}).click();
  assert.deepEqual(await two.locator('.said').allInnerTexts(), ['Where we start', 'From the second tab', 'From the first tab']);
  assert.deepEqual(problems, []);
  await context.close();
});

test('messages of the same moment are versions of each other', async () => {
  const {one, two, context} = await bothOpen();
  await two.evaluate(() => (globalThis.held = []));
  await say(one, 'At once, first');
  await say(two, 'At once, second');
  await two.evaluate(() => {
    const {held} = globalThis;
    delete globalThis.held;
    held.forEach((hear) => hear());
  });
  await Promise.all([answered(one), answered(two)]);
  const last = one.locator('.message.user').last();
  await last.getByText('of 2').waitFor();
  await one.reload();
  await one.getByRole('button', {name: 'Where we start', exact: true}).click();
  await last.getByText('of 2').waitFor();
  await last.getByRole('button', {name: /^(Previous|Next) version$/, disabled: false}).click();
  const said = await one.locator('.said').allInnerTexts();
  assert.equal(said.length, 2);
  await context.close();
});

test('a conversation that is deleted in one tab goes from the other, and comes back', async () => {
  const {one, two, context} = await bothOpen();
  await one.getByRole('button', {name: 'Delete “Where we start”'}).click();
  await two.locator('.message').first().waitFor({state: 'detached'});
  await one.getByRole('button', {name: 'Undo'}).click();
  await two.getByRole('button', {name: 'Where we start', exact: true}).waitFor();
  await context.close();
});
