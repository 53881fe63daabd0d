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
export const save = (c: Conversation): Promise<unknown> => run('readwrite', (store) => store.put(c));
export const remove = (id: string): Promise<unknown> => run('readwrite', (store) => store.delete(id));
