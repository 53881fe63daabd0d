import type {Report} from '../api/types';

export interface ParetoPoint {
  kind: 'predicted' | 'measured' | 'picked';
  /** Of the whole file. */
  bytes: number;
  /** KL divergence. */
  kld: number;
  bits?: number;
  tokensPerS?: number;
  broken?: string;
}

/** The points of an optimize report, by size. The front counts the matrices only; what else a file holds is
 *  known from those that were built. */
export function paretoPoints(report: Report): ParetoPoint[] {
  const built = report.steps[report.picked] ?? report.steps[0];
  const rest = built ? Math.max(0, built.file_bytes - built.predicted.bytes) : 0;
  const points: ParetoPoint[] = report.front.map(([bytes, kld]) => ({kind: 'predicted', bytes: bytes + rest, kld}));
  report.steps.forEach((step, i) =>
    points.push({
      kind: i === report.picked ? 'picked' : 'measured',
      bytes: step.file_bytes,
      kld: step.kld,
      bits: step.bits_per_weight,
      tokensPerS: step.tokens_per_s,
      ...(step.broken ? {broken: step.broken} : {}),
    }),
  );
  return points.sort((a, b) => a.bytes - b.bytes);
}

/** A few of many points, evenly along the curve, the ends included: more than can be told apart help nobody. */
export function thin<T>(points: T[], most: number): T[] {
  if (points.length <= most) return points;
  return Array.from({length: most}, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]);
}

/** The point that lies nearest to (x, y); of equal ones the last, which is drawn above the others. */
export function nearest<T>(points: T[], place: (point: T) => [number, number], x: number, y: number): T | null {
  let best: T | null = null;
  let least = Infinity;
  for (const point of points) {
    const [px, py] = place(point);
    const distance = Math.hypot(px - x, py - y);
    if (distance <= least) [best, least] = [point, distance];
  }
  return best;
}

/** Round steps within [low, high], about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw)!;
  const result: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-9); ++i) result.push(Number((i * step).toPrecision(12)));
  return result;
}

/** The powers of ten and their double and fivefold within [low, high]. */
export function logTicks(low: number, high: number): number[] {
  const result: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); ++e) {
    for (const m of [1, 2, 5]) {
      const value = Number((m * 10 ** e).toPrecision(6));
      if (value >= low && value <= high) result.push(value);
    }
  }
  return result.length > 7 ? result.filter((v) => Math.abs(Math.log10(v) % 1) < 1e-9) : result;
}

/** A bound that the point's file just keeps to, as the form writes it: bytes rounded up to four digits. */
export function sizeBound(bytes: number): string {
  const unit = bytes >= 1e9 ? 1e9 : 1e6;
  const value = Math.ceil((bytes / unit) * 1000) / 1000;
  return `${value}${unit === 1e9 ? 'GB' : 'MB'}`;
}

/** How many words two texts share from the beginning. */
export function commonWords(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.trim().split(/\s+/).filter(Boolean));
  let n = 0;
  while (n < x.length && n < y.length && x[n] === y[n]) ++n;
  return n;
}
