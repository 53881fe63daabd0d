import type {Job} from '../api/types';

/** The server lists jobs as they were asked for: reversed, those of the same second are in order too. */
export const newestFirst = (jobs: Job[]): Job[] => [...jobs].reverse().sort((a, b) => b.created - a.created);
