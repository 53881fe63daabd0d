import {useLayoutEffect, useRef, useState} from 'preact/hooks';
import {t} from '../i18n';
import {change, children, choose, type Conversation, type Node} from '../logic/tree';
import type {Answer} from '../state/answering';
import {update} from '../state/conversations';
import {answerTo, generations, say} from '../state/generation';
import {CopyButton, IconButton} from '../ui/button';
import {Markdown} from '../ui/markdown';
import {memo} from '../ui/memo';
import {AnswerFacts} from './answer_facts';
import {focusComposer, isExecute, useGrowing} from './composer';

interface Props {
  conversation: Conversation;
  node: Node;
  /** While this answer is being written. */
  live: Answer | null;
}

/** The version that an arrow leads to is drawn anew; the focus goes on there. */
let arriving: {at: string; arrow: 0 | 1} | null = null;

function useArrowFocus(id: string) {
  const arrows = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (arriving?.at !== id) return;
    const both = arrows.current?.querySelectorAll('button');
    const pressed = both?.[arriving.arrow];
    (pressed?.disabled ? both?.[1 - arriving.arrow] : pressed)?.focus();
    arriving = null;
  }, [id]);
  return arrows;
}

/** Which of several versions is shown, and the way to the others. */
function Versions({conversation, node}: {conversation: Conversation; node: Node}) {
  const versions = children(conversation, node.parent).filter((one) => one.role === node.role);
  const arrows = useArrowFocus(node.id);
  if (versions.length < 2) return null;
  const at = versions.findIndex((one) => one.id === node.id);
  const go = (arrow: 0 | 1) => {
    const to = versions[arrow === 0 ? at - 1 : at + 1];
    arriving = {at: to.id, arrow};
    update(conversation.id, (c) => choose(c, to.id));
  };
  return (
    <span class="versions" ref={arrows}>
      <IconButton icon="left" label={t().previous} disabled={at === 0} onClick={() => go(0)} />
      <span>{t().version(at + 1, versions.length)}</span>
      <IconButton icon="right" label={t().next} disabled={at === versions.length - 1} onClick={() => go(1)} />
    </span>
  );
}

function Editor({node, onLeave}: {node: Node; onLeave: () => void}) {
  const [text, setText] = useState(node.texts[0]);
  const area = useGrowing(text);
  useLayoutEffect(() => area.current!.focus(), []);
  const send = () => {
    if (!say(node.parent, text)) return;
    onLeave();
    focusComposer();
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
        onLeave();
      }}
    >
      <textarea
        ref={area}
        aria-label={t().editLabel}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (!isExecute(event)) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="composer-row">
        <button type="button" onClick={onLeave}>
          {t().cancel}
        </button>
        <button type="submit" class="primary" disabled={!text.trim()}>
          {t().send}
        </button>
      </div>
    </form>
  );
}

/** Whether the message is being edited; afterwards the focus goes to its button again, unless it went elsewhere. */
function useEditing() {
  const [editing, setEditing] = useState(false);
  const item = useRef<HTMLLIElement>(null);
  const left = useRef(false);
  useLayoutEffect(() => {
    if (left.current && document.activeElement === document.body) {
      item.current!.querySelector<HTMLElement>('.edit')!.focus();
      if (document.activeElement === document.body) focusComposer();
    }
    left.current = editing;
  }, [editing]);
  return {editing, setEditing, item};
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
  const {editing, setEditing, item} = useEditing();
  const user = node.role === 'user';
  const busy = generations.value[conversation.id] !== undefined;
  const again = () => {
    void answerTo(conversation.id, node.parent);
    if (generations.value[conversation.id]) focusComposer();
  };
  return (
    <li ref={item} class={`message ${node.role}`} aria-busy={live !== null}>
      <h2>{user ? t().you : node.model}</h2>
      {editing && <Editor node={node} onLeave={() => setEditing(false)} />}
      {user && !editing && <p class="said">{node.texts[0]}</p>}
      {!user && <AnswerBody conversation={conversation} node={node} live={live} />}
      {!editing && !live && (
        <div class="message-tools">
          <Versions conversation={conversation} node={node} />
          {node.texts.length === 1 && <CopyButton text={node.texts[0]} />}
          {user ? (
            <IconButton class="edit" icon="edit" label={t().edit} disabled={busy} onClick={() => setEditing(true)} />
          ) : (
            <IconButton
              icon="again"
              label={node.error ? t().tryAgain : t().regenerate}
              disabled={busy}
              onClick={again}
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
