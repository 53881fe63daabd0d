import {signal} from '@preact/signals';

/** An answer in OpenAI's shape of an error, or what kept one from coming. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly param: string | null = null,
    readonly code: string | null = null,
  ) {
    super(message);
  }

  /** No answer came at all. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

const KEY = 'nibble.key';
/** True while the page should ask for a key. */
export const keyWanted = signal<'no' | 'missing' | 'wrong'>('no');
let waiting: (() => void)[] = [];

/** Kept for the session only: gone when the tab is closed. */
export function giveKey(key: string): void {
  sessionStorage.setItem(KEY, key.trim());
  keyWanted.value = 'no';
  const go = waiting;
  waiting = [];
  for (const resolve of go) resolve();
}

export function errorOf(status: number, body: unknown): ApiError {
  const error = (body as {error?: {message?: unknown; param?: unknown; code?: unknown}} | null)?.error;
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  return new ApiError(text(error?.message) ?? `HTTP ${status}`, status, text(error?.param), text(error?.code));
}

/** A request to the page's own server. Waits for a key when the server wants one; throws ApiError. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = new Headers(init.headers);
    if (key) headers.set('Authorization', `Bearer ${key}`);
    if (init.body) headers.set('Content-Type', 'application/json');
    let response: Response;
    try {
      response = await fetch(path, {...init, headers});
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw error;
      throw new ApiError('', 0);
    }
    if (response.ok) return response;
    if (response.status !== 401) throw errorOf(response.status, await response.json().catch(() => null));
    // Another request may have been given a key in the meantime.
    if (sessionStorage.getItem(KEY) === key) await untilKey(key !== null, init.signal);
  }
}

function untilKey(wrong: boolean, signal: AbortSignal | null | undefined): Promise<void> {
  keyWanted.value = wrong ? 'wrong' : 'missing';
  return new Promise((resolve, reject) => {
    waiting.push(resolve);
    signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
  });
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, {signal})).json() as Promise<T>;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return (await request(path, {method: 'POST', body: JSON.stringify(body)})).json() as Promise<T>;
}
