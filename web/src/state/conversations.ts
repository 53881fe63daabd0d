import {computed, signal} from '@preact/signals';
import {t} from '../i18n';
import {exportText, fingerprint, importText} from '../logic/exchange';
import {merge} from '../logic/merge';
import {clear, newConversation, type Conversation} from '../logic/tree';
import * as database from './database';
import {notify} from './notices';
import {settings} from './settings';
import {listen, tell} from './tabs';

/** All of them, the one that was changed last first. */
export const conversations = signal<Conversation[]>([newConversation(Date.now(), settings.value.system)]);
export const currentId = signal(conversations.value[0].id);
export const current = computed(
  () => conversations.value.find((c) => c.id === currentId.value) ?? conversations.value[0],
);

const isEmpty = (c: Conversation) => Object.keys(c.nodes).length === 0;
const pending = new Map<string, ReturnType<typeof setTimeout>>();
let storageFailed = false;

function stored(work: Promise<unknown>): void {
  work.catch(() => {
    if (!storageFailed) notify(t().storageFailed, {error: true});
    storageFailed = true;
  });
}

function forgetPending(id: string): void {
  clearTimeout(pending.get(id));
  pending.delete(id);
}

const save = (c: Conversation): void => stored(database.save(c).then(() => tell({saved: c.id})));

function remove(id: string): void {
  forgetPending(id);
  stored(database.remove(id).then(() => tell({removed: id})));
}

function saveNow(id: string): void {
  forgetPending(id);
  const c = conversations.value.find((one) => one.id === id);
  if (c && !isEmpty(c)) save(c);
}

/** What was not written yet when the page goes away. */
function saveLast(): void {
  for (const c of conversations.value) {
    if (!pending.has(c.id) || isEmpty(c)) continue;
    stored(database.put(c));
    tell({saved: c.id});
  }
}

/** While an answer streams, twice a second is often enough. */
function saveSoon(id: string): void {
  if (!pending.has(id)) pending.set(id, setTimeout(() => saveNow(id), 500));
}

export async function loadConversations(): Promise<void> {
  try {
    const found = (await database.loadAll()).sort((a, b) => b.updated - a.updated);
    const known = new Set(conversations.value.map((c) => c.id));
    conversations.value = [...conversations.value, ...found.filter((c) => !known.has(c.id))];
  } catch {
    stored(Promise.reject());
  }
  addEventListener('pagehide', saveLast);
}

/** Takes over what another tab has written. */
async function takeSaved(id: string): Promise<void> {
  const found = await database.load(id);
  if (!found) return;
  const own = conversations.value.find((c) => c.id === id);
  if (!own) {
    conversations.value = [...conversations.value, found];
    return;
  }
  const merged = merge(own, found);
  if (!pending.has(id)) merged.system = found.system;
  conversations.value = conversations.value.map((c) => (c.id === id ? merged : c));
}

function drop(id: string): void {
  conversations.value = conversations.value.filter((c) => c.id !== id);
  if (conversations.value.length === 0) startConversation();
  else if (currentId.value === id) currentId.value = conversations.value[0].id;
}

listen((change) => {
  if ('saved' in change) takeSaved(change.saved).catch(() => undefined);
  // What this tab is still changing is written again.
  else if (!pending.has(change.removed)) drop(change.removed);
});

export function update(id: string, change: (c: Conversation) => Conversation): void {
  conversations.value = conversations.value.map((c) => (c.id === id ? change(c) : c));
  saveSoon(id);
}

/** At most one is empty: asking for a new one shows it again. */
export function startConversation(): void {
  const empty = conversations.value.find(isEmpty);
  if (!empty) {
    const c = newConversation(Date.now(), settings.value.system);
    conversations.value = [c, ...conversations.value];
    currentId.value = c.id;
  } else {
    currentId.value = empty.id;
  }
}

function restore(before: Conversation[], id: string): void {
  conversations.value = before;
  currentId.value = id;
  saveNow(id);
}

export function deleteConversation(id: string): void {
  const before = conversations.value;
  remove(id);
  drop(id);
  notify(t().deleted, {
    action: {
      label: t().undo,
      run: () => {
        const deleted = before.find((c) => c.id === id)!;
        restore([deleted, ...conversations.value.filter((c) => c.id !== id)], id);
      },
    },
  });
}

export function clearCurrent(): void {
  const before = current.value;
  if (isEmpty(before)) return;
  conversations.value = conversations.value.map((c) => (c.id === before.id ? clear(c, Date.now()) : c));
  remove(before.id);
  notify(t().cleared, {
    action: {
      label: t().undo,
      run: () => restore([before, ...conversations.value.filter((c) => c.id !== before.id)], before.id),
    },
  });
}

export function exportAll(): void {
  const text = exportText(conversations.value.filter((c) => !isEmpty(c)));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
  link.download = `nibble-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export async function importFile(file: File): Promise<void> {
  try {
    const read = importText(await file.text()).filter((c) => !isEmpty(c));
    const known = new Set(conversations.value.map(fingerprint));
    const added = read.filter((c) => !known.has(fingerprint(c)) && known.add(fingerprint(c)));
    conversations.value = [...added, ...conversations.value];
    added.forEach(save);
    if (added.length > 0) currentId.value = added[0].id;
    const skipped = read.length - added.length;
    notify([t().imported(added.length), skipped > 0 ? t().alreadyThere(skipped) : ''].join(' ').trim());
  } catch {
    notify(t().importFailed, {error: true});
  }
}
