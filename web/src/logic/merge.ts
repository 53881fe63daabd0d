import type {Conversation, Node} from './tree';

const newer = (a: Node | undefined, b: Node): Node => (a && (a.revision ?? 0) >= (b.revision ?? 0) ? a : b);

/** One conversation as two tabs have changed it: the messages of both, each as it was changed last. What is shown,
 *  and the system prompt, are `own`. */
export function merge(own: Conversation, other: Conversation): Conversation {
  const nodes = {...own.nodes};
  for (const [id, node] of Object.entries(other.nodes)) nodes[id] = newer(nodes[id], node);
  return {
    ...own,
    title: own.title || other.title,
    updated: Math.max(own.updated, other.updated),
    nodes,
    chosen: {...other.chosen, ...own.chosen},
  };
}
