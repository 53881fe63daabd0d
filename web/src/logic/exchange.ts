import {ROOT, newId, type Conversation, type Node} from './tree';

const FORMAT = 'nibble-conversations';

export function exportText(conversations: Conversation[]): string {
  return JSON.stringify({format: FORMAT, version: 1, conversations}, null, 1) + '\n';
}

type Raw = Record<string, unknown>;
const isRaw = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const time = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

const USAGE = ['prompt_tokens', 'completion_tokens'] as const;
const TIMINGS = [
  'queue_s', 'prefill_s', 'decode_s', 'prefill_tokens_per_s', 'decode_tokens_per_s', 'cached_tokens', 'drafted', 'accepted',
] as const;

/** All of the fields as numbers, or nothing. */
function figures<K extends string>(raw: unknown, keys: readonly K[]): Record<K, number> | null {
  if (!isRaw(raw) || !keys.every((key) => Number.isFinite(raw[key]))) return null;
  return Object.fromEntries(keys.map((key) => [key, raw[key]])) as Record<K, number>;
}

/** The same for conversations that say the same, whichever branch is shown and whatever their ids are. */
export function fingerprint(c: Conversation): string {
  const nodes = Object.values(c.nodes).map(({id, parent, role, texts, created}) => [id, parent, role, texts, created]);
  return JSON.stringify([c.system, nodes.sort((a, b) => (a[0]! < b[0]! ? -1 : 1))]);
}

/** A node as we trust it: nothing but fields that we know, of the types that they should have. */
function readNode(raw: unknown, id: string): Node | null {
  if (!isRaw(raw) || (raw.role !== 'user' && raw.role !== 'assistant') || !Array.isArray(raw.texts)) return null;
  const texts = raw.texts.map(text);
  if (texts.length === 0) return null;
  const picked = time(raw.picked);
  const node: Node = {
    id,
    parent: text(raw.parent),
    role: raw.role,
    texts,
    picked: Number.isInteger(picked) && picked >= 0 && picked < texts.length ? picked : 0,
    created: time(raw.created),
  };
  if (typeof raw.model === 'string') node.model = raw.model;
  if (typeof raw.finish === 'string') node.finish = raw.finish;
  if (typeof raw.error === 'string') node.error = raw.error;
  const usage = figures(raw.usage, USAGE);
  const timings = figures(raw.timings, TIMINGS);
  if (usage) node.usage = {...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens};
  if (timings) node.timings = timings;
  return node;
}

function readConversation(raw: unknown): Conversation | null {
  if (!isRaw(raw) || !isRaw(raw.nodes)) return null;
  const nodes: Record<string, Node> = Object.create(null);
  for (const [id, value] of Object.entries(raw.nodes)) {
    const node = readNode(value, id);
    if (node && id !== ROOT) nodes[id] = node;
  }
  // What hangs on nothing, or on itself, could never be shown: it must lead to the beginning.
  const rooted = (node: Node): boolean => {
    const seen = new Set<string>();
    for (let n: Node | undefined = node; n; n = nodes[n.parent]) {
      if (n.parent === ROOT) return true;
      if (seen.has(n.id)) return false;
      seen.add(n.id);
    }
    return false;
  };
  const kept = Object.fromEntries(Object.entries(nodes).filter(([, node]) => rooted(node)));
  const chosen: Record<string, string> = {};
  if (isRaw(raw.chosen)) {
    for (const [parent, child] of Object.entries(raw.chosen)) {
      if (typeof child === 'string' && Object.hasOwn(kept, child) && kept[child].parent === parent) {
        chosen[parent] = child;
      }
    }
  }
  return {
    id: newId(),
    title: text(raw.title),
    created: time(raw.created),
    updated: time(raw.updated),
    system: text(raw.system),
    nodes: kept,
    chosen,
  };
}

/** The conversations of an exported file, under new ids. Throws when it is no such file. */
export function importText(file: string): Conversation[] {
  const raw: unknown = JSON.parse(file);
  if (!isRaw(raw) || raw.format !== FORMAT || !Array.isArray(raw.conversations)) throw new Error(FORMAT);
  return raw.conversations.map(readConversation).filter((c): c is Conversation => c !== null);
}
