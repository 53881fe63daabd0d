/** Numbers as people read them; `locale` is "en" or "ru". */

const UNITS = {en: ['B', 'kB', 'MB', 'GB', 'TB'], ru: ['Б', 'КБ', 'МБ', 'ГБ', 'ТБ']};
export type Locale = keyof typeof UNITS;

export function number(value: number, locale: Locale, digits = 1): string {
  return new Intl.NumberFormat(locale, {maximumFractionDigits: digits}).format(value);
}

/** Three digits at least: 91.7 MB, 4.2 GB. Thousands, as file managers count. */
export function bytes(value: number, locale: Locale): string {
  let unit = 0;
  while (value >= 1000 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  return `${number(value, locale, unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${UNITS[locale][unit]}`;
}

export function percent(share: number, locale: Locale, digits = 0): string {
  return new Intl.NumberFormat(locale, {style: 'percent', maximumFractionDigits: digits}).format(share);
}

/** +1.3% */
export function signedPercent(share: number, locale: Locale): string {
  return new Intl.NumberFormat(locale, {style: 'percent', maximumFractionDigits: 2, signDisplay: 'always'}).format(
    share,
  );
}

/** 135 M, 7.24 B parameters. */
export function parameters(count: number, locale: Locale): string {
  const [value, en, ru] =
    count >= 1e9 ? [count / 1e9, 'B', 'млрд'] : count >= 1e6 ? [count / 1e6, 'M', 'млн'] : [count / 1e3, 'k', 'тыс.'];
  return `${number(value, locale, value >= 100 ? 0 : 2)} ${locale === 'ru' ? ru : en}`;
}

/** 4:05, 1:02:03. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60);
  return minutes < 60
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/** The bytes that "4GB", "512 MiB" or "1500000" mean; null when it is no size. The server takes the same. */
export function parseSize(text: string): number | null {
  const match = /^\s*(\d+(?:[.,]\d+)?)\s*(?:([kmgt])(i?)b?|b)?\s*$/i.exec(text);
  if (!match) return null;
  const base = match[3] ? 1024 : 1000;
  const power = match[2] ? 'kmgt'.indexOf(match[2].toLowerCase()) + 1 : 0;
  return Number(match[1].replace(',', '.')) * base ** power;
}
