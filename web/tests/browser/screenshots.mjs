// Pictures of the page for docs/ and for whoever changes its looks: node tests/browser/screenshots.mjs [DIR]
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {answered, launch, openPage, startServer} from './setup.mjs';

const out = process.argv[2] ?? 'tests/out';
mkdirSync(out, {recursive: true});
const browser = await launch();
const server = await startServer({speed: 6});
const wide = {width: 1280, height: 800};
const phone = {width: 390, height: 800};

async function shot(name, options, steps) {
  const {page, context, problems} = await openPage(browser, server.url, {viewport: wide, ...options});
  await page.locator('.status b').first().waitFor();
  try {
    await steps(page);
  } catch (error) {
    problems.push(String(error));
  }
  await page.waitForTimeout(2300);
  await page.screenshot({path: join(out, `page-${name}.png`)});
  await context.close();
  if (problems.length > 0) console.error(name, problems);
}

async function ask(page, text) {
  await page.locator('#message').fill(text);
  await page.keyboard.press('Enter');
  await answered(page);
}

await shot('empty', {}, async () => {});
await shot('chat', {}, async (page) => {
  await ask(page, 'Why can a model keep its answers with four bits a weight?');
  await page.locator('.scroll').evaluate((box) => (box.scrollTop = 0));
});
await shot('beams', {colorScheme: 'dark'}, async (page) => {
  await page.locator('.parameters').getByRole('button', {name: 'Translation'}).click();
  await page.getByLabel('Translate into').selectOption('Russian');
  await page.locator('#n').fill('3');
  await ask(page, 'The model got smaller, but answers almost as well.');
  await page.locator('#num_beams').evaluate((e) => e.scrollIntoView({block: 'center'}));
});
await shot('errors', {}, async (page) => {
  server.state.fail = 'midway';
  await ask(page, 'What is quantization?');
  await page.locator('#diversity_penalty').fill('0.5');
  await page.locator('#num_beams').fill('3');
  await page.locator('#top_p').fill('2');
  await page.locator('#top_p').fill('1');
  await page.locator('#diversity_penalty').evaluate((e) => e.scrollIntoView({block: 'center'}));
});
await shot('models', {viewport: {width: 1280, height: 1150}}, async (page) => {
  await page.goto(`${server.url}/#models`);
  await page.getByRole('button', {name: 'Make smaller: smollm2-f32'}).click();
  await page.getByRole('button', {name: 'Build it'}).click();
  await page.getByRole('button', {name: 'Show the trade-off'}).click();
  const point = page.getByRole('button', {name: /^picked/});
  await point.hover();
  await page.evaluate(() => document.getElementById('content').scrollTo(0, 0));
});
await shot('compare', {colorScheme: 'dark'}, async (page) => {
  await page.goto(`${server.url}/#compare`);
  await page.locator('#compare-prompt').fill('Why can a model keep its answers with four bits a weight?');
  await page.keyboard.press('Enter');
  await page.locator('.verdict', {hasText: /\w/}).waitFor();
});
await shot('phone', {viewport: phone, hasTouch: true}, async (page) => {
  await ask(page, 'Why can a model keep its answers with four bits a weight?');
});
await shot('phone-parameters', {viewport: phone, colorScheme: 'dark', locale: 'ru-RU'}, async (page) => {
  await page.locator('.panel-button.parameters').click();
});
await shot('phone-models', {viewport: {width: 390, height: 1500}}, async (page) => {
  await page.goto(`${server.url}/#models`);
});
await shot('russian', {locale: 'ru-RU'}, async (page) => {
  await ask(page, 'Почему модели хватает четырёх бит на вес?');
});
await browser.close();
await server.close();
