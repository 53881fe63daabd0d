export interface ServerEvent {
  event: string;
  data: string;
}

/** Server-sent events from text that arrives in any pieces (HTML standard, 9.2.6). */
export class EventParser {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private begun = false;

  /** The events that `text` completes. */
  feed(text: string): ServerEvent[] {
    if (!this.begun && text !== '') {
      this.begun = true;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    this.rest += text;
    const events: ServerEvent[] = [];
    for (;;) {
      const end = this.rest.search(/[\r\n]/);
      // A \r at the very end may be the first half of \r\n.
      if (end < 0 || (this.rest[end] === '\r' && end + 1 === this.rest.length)) return events;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith('\r\n', end) ? 2 : 1));
      const done = this.take(line);
      if (done) events.push(done);
    }
  }

  private take(line: string): ServerEvent | null {
    if (line === '') {
      const complete = this.data.length > 0 ? {event: this.event || 'message', data: this.data.join('\n')} : null;
      this.event = '';
      this.data = [];
      return complete;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    if (field === 'event') this.event = value;
    return null;
  }
}

/** The events of a response's body, until it ends. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      yield* parser.feed(decoder.decode(value, {stream: true}));
    }
  } finally {
    // Leaving the loop early must also end the connection, or the server would go on for nobody.
    void reader.cancel().catch(() => undefined);
  }
}
