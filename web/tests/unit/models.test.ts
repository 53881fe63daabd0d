import {describe, expect, it} from 'vitest';
import type {Job, Model, Report} from '../../src/api/types';
import {bytes, duration, parameters, parseSize, signedPercent} from '../../src/logic/format';
import {EMPTY_FORM, checkForm, orderOf, suggestedName} from '../../src/logic/job_form';
import {newestFirst} from '../../src/logic/jobs';
import {commonWords, logTicks, nearest, paretoPoints, sizeBound, thin, ticks} from '../../src/logic/pareto';

describe('format', () => {
  it('writes sizes as people read them', () => {
    expect(bytes(999, 'en')).toBe('999 B');
    expect(bytes(91_700_000, 'en')).toBe('91.7 MB');
    expect(bytes(4_212_000_000, 'en')).toBe('4.21 GB');
    expect(bytes(91_700_000, 'ru')).toBe('91,7 МБ');
    expect(parameters(134_515_008, 'en')).toBe('135 M');
    expect(signedPercent(0.0046, 'en')).toBe('+0.46%');
    expect([5, 245, 3723].map(duration)).toEqual(['0:05', '4:05', '1:02:03']);
  });

  it('reads sizes as the command line does', () => {
    expect(parseSize('4GB')).toBe(4e9);
    expect(parseSize('4 GiB')).toBe(4 * 1024 ** 3);
    expect(parseSize('3,5g')).toBe(3.5e9);
    expect(parseSize('1500000')).toBe(1500000);
    for (const wrong of ['', 'big', '4XB', '-4GB', '4GB5']) expect(parseSize(wrong)).toBeNull();
  });
});

describe('the form of a job', () => {
  const form = {...EMPTY_FORM, model: 'llama-7b-f16'};

  it('suggests a name that says what it is', () => {
    expect(suggestedName({...form, kind: 'quantize', type: 'q4_0', method: 'gptq'})).toBe('llama-7b-q4_0-gptq');
    expect(suggestedName({...form, max_size: '4GB'})).toBe('llama-7b-optimized-4GB');
    expect(suggestedName({...form, max_loss: '1%'})).toBe('llama-7b-optimized-1pct');
  });

  it('asks for what was typed, sizes as bytes', () => {
    expect(orderOf({...form, max_size: '90MB', max_loss: '1 %', min_speed: '20,5'})).toEqual({
      kind: 'optimize', model: 'llama-7b-f16', output: 'llama-7b-optimized-90MB',
      options: {max_size: 90e6, max_loss: '1%', metric: 'ppl', min_speed: 20.5, calibration: 'self'},
    });
    expect(orderOf({...form, kind: 'quantize', type: 'int4', group: '64', output: 'x'})).toEqual({
      kind: 'quantize', model: 'llama-7b-f16', output: 'x', options: {type: 'int4', group: 64},
    });
    expect(orderOf({...form, kind: 'quantize', method: 'gptq'}).options).toMatchObject({method: 'gptq', calibration: 'self'});
  });

  it('names the field that is wrong', () => {
    const there = [{id: 'a', path: '/m/a.gguf', loaded: false, tokens_per_s: null}] as Model[];
    expect(checkForm({...form, output: 'a'}, there)).toEqual({output: 'nameTaken'});
    expect(checkForm({...form, output: '../a'}, there)).toEqual({output: 'nameWrong'});
    expect(checkForm({...form, max_size: 'x', max_memory: 'y', max_loss: '0%', min_speed: '-1'}, [])).toMatchObject({
      max_size: 'sizeWrong', max_memory: 'sizeWrong', max_loss: 'lossWrong', min_speed: 'speedWrong',
    });
    expect(checkForm({...form, max_size: '4GB', max_loss: '0.01'}, [])).toEqual({});
  });
});

describe('jobs', () => {
  it('are sorted by their time, those of one second as the server lists them', () => {
    const job = (id: string, created: number) => ({id, created}) as Job;
    const listed = [job('job-9', 1), job('job-1', 2), job('job-5', 2), job('job-2', 3)];
    expect(newestFirst(listed).map((one) => one.id)).toEqual(['job-2', 'job-5', 'job-1', 'job-9']);
  });
});

describe('the Pareto plot', () => {
  const step = (predicted: number, file: number, kld: number) => ({
    predicted: {bytes: predicted, kld}, file_bytes: file, memory_bytes: 0, bits_per_weight: 4, kld, kld_stderr: 0,
    perplexity_loss: 0, tokens_per_s: 10, broken: null,
  });
  const report: Report = {
    model: 'm', output: 'o', picked: 1, front: [[100, 0.5], [200, 0.1]], steps: [step(100, 130, 0.6), step(200, 230, 0.12)],
  };

  it('adds what a file holds beside its matrices, and sorts by size', () => {
    expect(paretoPoints(report).map((p) => [p.kind, p.bytes])).toEqual([
      ['predicted', 130], ['measured', 130], ['predicted', 230], ['picked', 230],
    ]);
  });

  it('finds the point nearest to a click, where targets overlap too', () => {
    const place = ({x}: {x: number}): [number, number] => [x, 0];
    const points = [{x: 0}, {x: 5}, {x: 10}, {x: 10}];
    expect(nearest(points, place, 2, 9)).toBe(points[0]);
    expect(nearest(points, place, 3, 0)).toBe(points[1]);
    expect(nearest(points, place, 11, 0)).toBe(points[3]);
    expect(nearest([], place, 0, 0)).toBeNull();
  });

  it('keeps the ends when it thins', () => {
    const many = Array.from({length: 101}, (_, i) => i);
    const few = thin(many, 11);
    expect(few).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(thin([1, 2], 11)).toEqual([1, 2]);
  });

  it('has round ticks', () => {
    expect(ticks(58e6, 147e6, 5)).toEqual([60e6, 80e6, 100e6, 120e6, 140e6]);
    expect(logTicks(0.0009, 0.9)).toEqual([0.001, 0.01, 0.1]);
    expect(logTicks(0.03, 0.3)).toEqual([0.05, 0.1, 0.2]);
  });

  it('gives a bound that the point keeps to', () => {
    for (const size of [88_212_345, 4_212_345_678, 1_000_000]) {
      expect(parseSize(sizeBound(size))!).toBeGreaterThanOrEqual(size);
      expect(parseSize(sizeBound(size))! / size).toBeLessThan(1.0011);
    }
  });

  it('counts the words that two answers share', () => {
    expect(commonWords('a b c', ' a  b d')).toBe(2);
    expect(commonWords('', 'a')).toBe(0);
  });
});
