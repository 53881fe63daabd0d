/** What the server says and takes; docs/serve.md describes the same in words. */

export type Role = 'system' | 'user' | 'assistant';
export interface Message {
  role: Role;
  content: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens?: number;
}

/** Seconds, and tokens per second. */
export interface Timings {
  queue_s: number;
  prefill_s: number;
  decode_s: number;
  prefill_tokens_per_s: number;
  decode_tokens_per_s: number;
  cached_tokens: number;
  drafted: number;
  accepted: number;
}

export interface Status {
  model: string;
  context: number;
  /** Bytes. */
  memory: {weights: number; cache: number; cache_used: number; resident: number};
  active: number;
  queued: number;
  requests_total: number;
  tokens_per_s: number;
}

/** What `nibble optimize` measured of a file. */
export interface Figures {
  kld?: number;
  kld_stderr?: number;
  perplexity?: number;
  perplexity_ratio?: number;
  arc?: number;
  base_arc?: number;
  text?: string;
}

export interface Model {
  id: string;
  path: string;
  loaded: boolean;
  tokens_per_s: number | null;
  /** Why the file cannot be read; the other fields are missing then. */
  error?: string;
  bytes?: number;
  bits_per_weight?: number;
  type?: string;
  architecture?: string;
  parameters?: number;
  context?: number;
  figures?: Figures | null;
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
export interface Job {
  id: string;
  kind: 'quantize' | 'optimize';
  model: string;
  state: JobState;
  /** 0 to 1; null while it is not known. */
  progress: number | null;
  message: string;
  eta_s: number | null;
  error: string | null;
  /** It ended early and left what it can go on from. */
  resumable: boolean;
  output: string;
  /** Seconds since 1970. */
  created: number;
}

export interface JobOrder {
  kind: Job['kind'];
  model: string;
  output: string;
  options: Record<string, string | number>;
}

/** report.json of an optimize job; only what the page draws. */
export interface Report {
  model: string;
  output: string;
  picked: number;
  steps: ReportStep[];
  /** [bytes of the matrices, KL divergence], both predicted. */
  front: [number, number][];
}
export interface ReportStep {
  predicted: {bytes: number; kld: number};
  file_bytes: number;
  memory_bytes: number;
  bits_per_weight: number;
  kld: number;
  kld_stderr: number;
  perplexity_loss: number;
  tokens_per_s: number;
  broken: string | null;
}
