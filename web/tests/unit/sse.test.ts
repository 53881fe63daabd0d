import {describe, expect, it} from 'vitest';
import {readChunk} from '../../src/api/chat';
import {ApiError} from '../../src/api/client';
import {EventParser} from '../../src/api/sse';

describe('EventParser', () => {
  const whole = 'data: one\n\n: comment\nevent: job\r\ndata: two\r\ndata:three\r\n\r\nid: 7\n\ndata\n\n';
  const events = [
    {event: 'message', data: 'one'},
    {event: 'job', data: 'two\nthree'},
    {event: 'message', data: ''},
  ];

  it('reads events, comments, both line ends and several lines of data', () => {
    expect(new EventParser().feed(whole)).toEqual(events);
  });

  it('gives the same however the text is cut', () => {
    for (let size = 1; size < whole.length; ++size) {
      const parser = new EventParser();
      const found = [];
      for (let i = 0; i < whole.length; i += size) found.push(...parser.feed(whole.slice(i, i + size)));
      expect(found).toEqual(events);
    }
  });

  it('keeps an event back that has not ended', () => {
    const parser = new EventParser();
    expect(parser.feed('data: half\n')).toEqual([]);
    expect(parser.feed('\n')).toEqual([{event: 'message', data: 'half'}]);
  });
});

describe('readChunk', () => {
  it('takes texts, reasons and figures of each choice', () => {
    const piece = readChunk(
      JSON.stringify({
        choices: [
          {index: 0, delta: {content: 'a'}, finish_reason: null},
          {index: 1, delta: {}, finish_reason: 'length'},
        ],
        usage: {prompt_tokens: 1, completion_tokens: 2},
      }),
    );
    expect(piece.texts).toEqual([{choice: 0, text: 'a'}]);
    expect(piece.finished).toEqual([{choice: 1, reason: 'length'}]);
    expect(piece.usage?.completion_tokens).toBe(2);
    expect(piece.timings).toBeNull();
  });

  it('throws what the server says in mid-stream', () => {
    const chunk = JSON.stringify({error: {message: 'shutting down', param: null, code: 'shutting_down'}});
    expect(() => readChunk(chunk)).toThrowError(ApiError);
    expect(() => readChunk(chunk)).toThrow('shutting down');
  });
});
