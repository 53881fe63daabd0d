/** What tabs of this page tell each other: that a conversation was written to the database, or taken from it. */
export type Change = {saved: string} | {removed: string};

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('nibble.conversations');

export const tell = (change: Change): void => channel?.postMessage(change);

/** What this tab tells does not come back to it. */
export function listen(hear: (change: Change) => void): void {
  channel?.addEventListener('message', (event: MessageEvent<Change>) => hear(event.data));
}
