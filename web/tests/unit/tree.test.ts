import {describe, expect, it} from 'vitest';
import {exportText, fingerprint, importText} from '../../src/logic/exchange';
import {merge} from '../../src/logic/merge';
import {ROOT, add, change, children, choose, clear, messagesTo, newConversation, path, titleOf} from '../../src/logic/tree';

/** Hello -> Hi, with an edited first message beside it. */
function example() {
  let c = newConversation(1, 'Be kind.');
  const [c1, hello] = add(c, ROOT, 'user', ['Hello'], 2);
  const [c2, hi] = add(c1, hello.id, 'assistant', ['Hi', 'Hey'], 3);
  const [c3, edited] = add(c2, ROOT, 'user', ['Good day'], 3);
  c = c3;
  return {c, hello, hi, edited};
}

describe('the tree of a conversation', () => {
  it('shows the newest branch, and the other when it is chosen', () => {
    const {c, hello, hi, edited} = example();
    expect(path(c).map((n) => n.id)).toEqual([edited.id]);
    expect(path(choose(c, hello.id)).map((n) => n.id)).toEqual([hello.id, hi.id]);
    expect(children(c, ROOT).map((n) => n.id)).toEqual([hello.id, edited.id]);
  });

  it('keeps the order of siblings of the same millisecond', () => {
    const [c1, a] = add(newConversation(1), ROOT, 'user', ['a'], 5);
    const [c2, b] = add(c1, ROOT, 'user', ['b'], 5);
    expect(children(c2, ROOT).map((n) => n.id)).toEqual([a.id, b.id]);
  });

  it('sends the system prompt and the picked answer', () => {
    const {c, hi} = example();
    const picked = change(c, hi.id, {picked: 1});
    expect(messagesTo(picked, hi.id)).toEqual([
      {role: 'system', content: 'Be kind.'},
      {role: 'user', content: 'Hello'},
      {role: 'assistant', content: 'Hey'},
    ]);
    expect(messagesTo({...c, system: ' '}, hi.id)[0].role).toBe('user');
  });

  it('takes its title from the first message, and none once cleared', () => {
    const {c} = example();
    expect(c.title).toBe('Hello');
    expect(titleOf('x'.repeat(100))).toHaveLength(60);
    expect(clear(c, 9)).toMatchObject({title: '', nodes: {}, system: 'Be kind.'});
  });

  it('changes nothing in place', () => {
    const {c, hello} = example();
    const before = JSON.stringify(c);
    change(choose(c, hello.id), hello.id, {texts: ['x']});
    expect(JSON.stringify(c)).toBe(before);
  });
});

describe('what two tabs have written', () => {
  it('is kept, whichever is written last', () => {
    const {c, hi} = example();
    const start = choose(c, hi.parent);
    const [one, first] = add(start, hi.id, 'user', ['from one'], 10);
    const [two, second] = add(change(start, hi.id, {picked: 1}), hi.id, 'user', ['from two'], 11);
    for (const merged of [merge(one, two), merge(two, one)]) {
      expect(Object.keys(merged.nodes).sort()).toEqual([...Object.keys(start.nodes), first.id, second.id].sort());
      expect(merged.nodes[hi.id].picked).toBe(1);
      expect(merged.updated).toBe(11);
    }
    expect(path(merge(one, two)).at(-1)).toEqual(first);
    expect(path(merge(start, two)).at(-1)).toEqual(second);
  });
});

describe('export and import', () => {
  it('keeps what is known of an answer, and knows a conversation again', () => {
    const {c, hi} = example();
    const usage = {prompt_tokens: 3, completion_tokens: 4, total_tokens: 7};
    const timings = {
      queue_s: 0, prefill_s: 0.1, decode_s: 1, prefill_tokens_per_s: 30, decode_tokens_per_s: 4, cached_tokens: 0, drafted: 0,
      accepted: 0,
    };
    const measured = change(c, hi.id, {usage, timings, finish: 'stop'});
    const [back] = importText(exportText([measured]));
    expect(back.nodes[hi.id]).toMatchObject({usage, timings, finish: 'stop'});
    expect(fingerprint(back)).toBe(fingerprint(measured));
    expect(fingerprint(choose(back, hi.parent))).toBe(fingerprint(measured));
    expect(fingerprint(change(back, hi.id, {texts: ['other']}))).not.toBe(fingerprint(measured));
    const foreign = change(c, hi.id, {usage: {prompt_tokens: '3'} as never});
    expect(importText(exportText([foreign]))[0].nodes[hi.id].usage).toBeUndefined();
  });

  it('gives back what was written, under a new id', () => {
    const {c} = example();
    const [back] = importText(exportText([c]));
    expect(back).toEqual({...c, id: back.id});
    expect(back.id).not.toBe(c.id);
  });

  it('refuses what is no export', () => {
    for (const text of ['', '[]', '{"format":"other","conversations":[]}', 'null']) {
      expect(() => importText(text)).toThrow();
    }
  });

  it('drops what is damaged: loops, orphans, foreign fields and types', () => {
    const node = (parent: string, more = {}) => ({parent, role: 'user', texts: ['t'], picked: 0, created: 1, ...more});
    const nodes = {
      a: node(''),
      b: node('a', {picked: 7, evil: 1, texts: ['x', 3]}),
      loop1: node('loop2'),
      loop2: node('loop1'),
      orphan: node('nobody'),
      role: node('', {role: 'system'}),
      __proto__: node(''),
    };
    const file = {format: 'nibble-conversations', version: 1, conversations: [{title: 4, nodes, chosen: {'': 'a', a: 'orphan'}}, 7]};
    const [c, ...rest] = importText(JSON.stringify(file));
    expect(rest).toEqual([]);
    expect(Object.keys(c.nodes)).toEqual(['a', 'b']);
    expect(c.nodes.b).toEqual({id: 'b', parent: 'a', role: 'user', texts: ['x', ''], picked: 0, created: 1});
    expect(c.chosen).toEqual({'': 'a'});
    expect(c.title).toBe('');
  });
});
