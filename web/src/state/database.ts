import {merge} from '../logic/merge';
import type {Conversation} from '../logic/tree';

/** Conversations in IndexedDB: they may outgrow localStorage. */
const NAME = 'nibble';
const STORE = 'conversations';

let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, {keyPath: 'id'});
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
  return opened;
}

async function run<T>(mode: IDBTransactionMode, what: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = (await open()).transaction(STORE, mode);
  const request = what(transaction.objectStore(STORE));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const loadAll = (): Promise<Conversation[]> => run('readonly', (store) => store.getAll());
export const load = (id: string): Promise<Conversation | undefined> => run('readonly', (store) => store.get(id));

/** At once, without a look at what is there: a page that goes away sees no answer to it. */
export const put = (c: Conversation): Promise<unknown> =>
  run('readwrite', (store) => {
    const request = store.put(c);
    store.transaction.commit();
    return request;
  });

/** Beside what another tab has written of the same conversation, in one transaction. */
export async function save(c: Conversation): Promise<void> {
  await run('readwrite', (store) => {
    const found: IDBRequest<Conversation | undefined> = store.get(c.id);
    found.onsuccess = () => store.put(found.result ? merge(c, found.result) : c);
    return found;
  });
}
export const remove = (id: string): Promise<unknown> => run('readwrite', (store) => store.delete(id));
