import {signal} from '@preact/signals';
import {t} from '../i18n';
import {check, hasErrors, requestFields} from '../logic/parameters';
import {add, change, messagesTo} from '../logic/tree';
import {ask, type Answer} from './answering';
import {conversations, current, update} from './conversations';
import {announce, notify} from './notices';
import {context, model} from './server';
import {settings} from './settings';

interface Generation {
  conversation: string;
  node: string;
  controller: AbortController;
  answer: Answer;
}

/** What is being written, by conversation: others may be read, and asked, in the meantime. */
export const generations = signal<Record<string, Generation>>({});

export function stop(conversation: string): void {
  generations.value[conversation]?.controller.abort();
}

function forget(conversation: string): void {
  const rest = {...generations.value};
  delete rest[conversation];
  generations.value = rest;
}

/** Whether an answer can be asked for now; says what is in the way. */
export function ready(): boolean {
  if (!model.value) {
    notify(t().noModel, {error: true});
    return false;
  }
  if (hasErrors(check(settings.value.parameters, context.value))) {
    notify(t().errorsBlock, {error: true});
    return false;
  }
  return true;
}

/** Answers the user's message `parent`; a further answer becomes its sibling. */
export async function answerTo(conversation: string, parent: string): Promise<void> {
  const found = conversations.value.find((c) => c.id === conversation);
  if (!found || generations.value[conversation] || !ready()) return;
  const id = model.value!.id;
  const {parameters, format} = settings.value;
  // Until its end says otherwise: a page that goes away has no time to mark it.
  const begun = {model: id, finish: 'stopped'};
  const [grown, node] = add(found, parent, 'assistant', Array(parameters.n).fill(''), Date.now(), begun);
  update(conversation, () => grown);
  const controller = new AbortController();
  const start: Answer = {texts: node.texts};
  generations.value = {...generations.value, [conversation]: {conversation, node: node.id, controller, answer: start}};
  announce(t().writing);
  const draw = (answer: Answer) => {
    const own = generations.value[conversation];
    if (own) generations.value = {...generations.value, [conversation]: {...own, answer}};
    update(conversation, (c) => change(c, node.id, {texts: answer.texts}));
  };
  const answer = await ask(id, messagesTo(found, parent), requestFields(parameters, format), controller.signal, draw);
  update(conversation, (c) =>
    change(c, node.id, {
      texts: answer.texts,
      usage: answer.usage,
      timings: answer.timings,
      finish: answer.finish,
      error: answer.error,
    }),
  );
  forget(conversation);
  announce(answer.error ?? t().complete(answer.usage?.completion_tokens ?? 0));
}

/** Adds the user's message behind `parent` and answers it. False when nothing can be sent. */
export function say(parent: string, text: string): boolean {
  const c = current.value;
  if (!text.trim() || generations.value[c.id] || !ready()) return false;
  const [grown, node] = add(c, parent, 'user', [text], Date.now());
  update(c.id, () => grown);
  void answerTo(c.id, node.id);
  return true;
}
