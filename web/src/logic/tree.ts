import type {Message, Timings, Usage} from '../api/types';

/** A conversation is a tree: editing a message or asking again adds a sibling, and nothing is lost. */
export interface Conversation {
  id: string;
  title: string;
  /** Milliseconds since 1970. */
  created: number;
  updated: number;
  system: string;
  nodes: Record<string, Node>;
  /** Which child of a node is shown; ROOT stands for the beginning. */
  chosen: Record<string, string>;
}

export interface Node {
  id: string;
  parent: string;
  role: 'user' | 'assistant';
  /** One text, or the answers of a search with several. */
  texts: string[];
  /** Which of the texts the conversation goes on with. */
  picked: number;
  created: number;
  model?: string;
  usage?: Usage;
  timings?: Timings;
  /** OpenAI's finish_reason, or "stopped" by the user. */
  finish?: string;
  error?: string;
  /** Counts the changes, so that of two tabs' copies the later is known. */
  revision?: number;
}

export const ROOT = '';

export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export function newConversation(now: number, system = ''): Conversation {
  return {id: newId(), title: '', created: now, updated: now, system, nodes: {}, chosen: {}};
}

/** The nodes under `parent`, oldest first. */
export function children(c: Conversation, parent: string): Node[] {
  return Object.values(c.nodes)
    .filter((node) => node.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** What is shown: from the beginning along the chosen children. */
export function path(c: Conversation): Node[] {
  const nodes: Node[] = [];
  for (let id = c.chosen[ROOT]; id !== undefined && c.nodes[id]; id = c.chosen[id]) nodes.push(c.nodes[id]);
  return nodes;
}

export function add(
  c: Conversation,
  parent: string,
  role: Node['role'],
  texts: string[],
  now: number,
  more: Partial<Node> = {},
): [Conversation, Node] {
  // A sibling is younger than those before it even where the clock has not moved.
  const youngest = children(c, parent).at(-1)?.created ?? 0;
  const node: Node = {...more, id: newId(), parent, role, texts, picked: 0, created: Math.max(now, youngest + 1)};
  const title = c.title || (role === 'user' ? titleOf(texts[0]) : '');
  return [
    {
      ...c,
      title,
      updated: now,
      nodes: {...c.nodes, [node.id]: node},
      chosen: {...c.chosen, [parent]: node.id},
    },
    node,
  ];
}

export function change(c: Conversation, id: string, changes: Partial<Node>): Conversation {
  const node = c.nodes[id];
  if (!node) return c;
  const changed = {...node, ...changes, revision: (node.revision ?? 0) + 1};
  return {...c, nodes: {...c.nodes, [id]: changed}};
}

/** Shows another branch. */
export function choose(c: Conversation, id: string): Conversation {
  const node = c.nodes[id];
  return node ? {...c, chosen: {...c.chosen, [node.parent]: id}} : c;
}

export function clear(c: Conversation, now: number): Conversation {
  return {...c, title: '', updated: now, nodes: {}, chosen: {}};
}

/** What the model is sent to answer the node `leaf`: the system prompt and the texts that lead there. */
export function messagesTo(c: Conversation, leaf: string): Message[] {
  const messages: Message[] = [];
  for (let node = c.nodes[leaf]; node; node = c.nodes[node.parent]) {
    messages.unshift({role: node.role, content: node.texts[node.picked] ?? ''});
  }
  if (c.system.trim()) messages.unshift({role: 'system', content: c.system});
  return messages;
}

export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0].replace(/\s+/g, ' ');
  return line.length > 60 ? line.slice(0, 59).trimEnd() + '…' : line;
}
