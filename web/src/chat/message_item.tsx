import {useState} from 'preact/hooks';
import {t} from '../i18n';
import {change, children, choose, type Conversation, type Node} from '../logic/tree';
import type {Answer} from '../state/answering';
import {update} from '../state/conversations';
import {answerTo, generations, say} from '../state/generation';
import {CopyButton, IconButton} from '../ui/button';
import {Markdown} from '../ui/markdown';
import {memo} from '../ui/memo';
import {AnswerFacts} from './answer_facts';
import {isExecute, useGrowing} from './composer';

interface Props {
  conversation: Conversation;
  node: Node;
  /** While this answer is being written. */
  live: Answer | null;
}

/** Which of several versions is shown, and the way to the others. */
function Versions({conversation, node}: {conversation: Conversation; node: Node}) {
  const versions = children(conversation, node.parent).filter((one) => one.role === node.role);
  if (versions.length < 2) return null;
  const at = versions.findIndex((one) => one.id === node.id);
  const go = (to: number) => update(conversation.id, (c) => choose(c, versions[to].id));
  return (
    <span class="versions">
      <IconButton icon="left" label={t().previous} disabled={at === 0} onClick={() => go(at - 1)} />
      <span>{t().version(at + 1, versions.length)}</span>
      <IconButton icon="right" label={t().next} disabled={at === versions.length - 1} onClick={() => go(at + 1)} />
    </span>
  );
}

function Editor({node, onDone}: {node: Node; onDone: () => void}) {
  const [text, setText] = useState(node.texts[0]);
  const area = useGrowing(text);
  const send = () => {
    if (say(node.parent, text)) onDone();
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault();
        onDone();
      }}
    >
      <textarea
        ref={area}
        aria-label={t().editLabel}
        value={text}
        autofocus
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (!isExecute(event)) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="composer-row">
        <button type="button" onClick={onDone}>
          {t().cancel}
        </button>
        <button type="submit" class="primary" disabled={!text.trim()}>
          {t().send}
        </button>
      </div>
    </form>
  );
}

/** The best of the beams, or several samples: one is picked to go on with. */
function SideBySide({conversation, node, live}: Props) {
  return (
    <div class="side-by-side" role="group" aria-label={t().answersSideBySide}>
      {node.texts.map((text, i) => (
        <section key={i} class={i === node.picked ? 'choice picked' : 'choice'} aria-label={t().answer(i + 1)}>
          <header>
            <b>{t().answer(i + 1)}</b>
            <CopyButton text={text} />
          </header>
          <Markdown text={text} />
          {!live && (
            <button
              type="button"
              aria-pressed={i === node.picked}
              onClick={() => update(conversation.id, (c) => change(c, node.id, {picked: i}))}
            >
              {i === node.picked ? t().picked : t().pick}
            </button>
          )}
        </section>
      ))}
    </div>
  );
}

function AnswerBody(props: Props) {
  const {node, live} = props;
  const begun = node.texts.some(Boolean);
  return (
    <>
      {live && !begun && <p class="waiting">{node.texts.length > 1 ? t().searching : t().thinking}</p>}
      {begun && (node.texts.length > 1 ? <SideBySide {...props} /> : <Markdown text={node.texts[0]} />)}
      {node.error && (
        <p class="problem error" role="alert">
          {!begun && <b>{t().failed}: </b>}
          {node.error}
        </p>
      )}
    </>
  );
}

export const MessageItem = memo(({conversation, node, live}: Props) => {
  const [editing, setEditing] = useState(false);
  const user = node.role === 'user';
  const busy = generations.value[conversation.id] !== undefined;
  return (
    <li class={`message ${node.role}`} aria-busy={live !== null}>
      <h2>{user ? t().you : node.model}</h2>
      {editing && <Editor node={node} onDone={() => setEditing(false)} />}
      {user && !editing && <p class="said">{node.texts[0]}</p>}
      {!user && <AnswerBody conversation={conversation} node={node} live={live} />}
      {!editing && !live && (
        <div class="message-tools">
          <Versions conversation={conversation} node={node} />
          {node.texts.length === 1 && <CopyButton text={node.texts[0]} />}
          {user ? (
            <IconButton icon="edit" label={t().edit} disabled={busy} onClick={() => setEditing(true)} />
          ) : (
            <IconButton
              icon="again"
              label={node.error ? t().tryAgain : t().regenerate}
              disabled={busy}
              onClick={() => void answerTo(conversation.id, node.parent)}
            />
          )}
          {!user && <AnswerFacts answer={node} />}
        </div>
      )}
      {live && (
        <div class="message-tools">
          <AnswerFacts answer={live} />
        </div>
      )}
    </li>
  );
});
