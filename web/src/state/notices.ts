import {signal} from '@preact/signals';

export interface Notice {
  id: number;
  text: string;
  error: boolean;
  action?: {label: string; run: () => void};
}

/** What is said at the edge of the page for some seconds. */
export const notices = signal<Notice[]>([]);
/** What a screen reader says, unseen. */
export const announcement = signal('');

let last = 0;
export function notify(text: string, more: {error?: boolean; action?: Notice['action']} = {}): void {
  const id = ++last;
  notices.value = [...notices.value, {id, text, error: more.error ?? false, action: more.action}];
  setTimeout(() => dismiss(id), more.action || more.error ? 10000 : 5000);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function announce(text: string): void {
  announcement.value = text;
}
