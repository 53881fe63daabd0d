import type {JSX} from 'preact';
import {useRef, useState} from 'preact/hooks';
import {t} from '../i18n';
import {announce} from '../state/notices';
import {Icon, type IconName} from './icon';

/** A button that shows a sign alone; `label` is its name and its tip. */
export function IconButton({
  icon,
  label,
  ...rest
}: {icon: IconName; label: string} & Omit<JSX.ButtonHTMLAttributes<HTMLButtonElement>, 'icon' | 'label'>) {
  return (
    <button type="button" {...rest} class={`icon-button ${rest.class ?? ''}`} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}

/** Copies to the clipboard; where a page without HTTPS has none, by the old way. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'unseen';
    const before = document.activeElement as HTMLElement | null;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    before?.focus();
  }
  announce(t().copied);
}

export function CopyButton({text}: {text: string}) {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const copy = async () => {
    await copyText(text);
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), 1500);
  };
  return <IconButton icon={copied ? 'check' : 'copy'} label={copied ? t().copied : t().copy} onClick={copy} />;
}
