// How many spans traces were said to have on the pages before: told while one of them takes long to load.
const sizes = new Map<string, number>();
const MOST = 500;

export function noteSizes(rows: readonly { traceId: string; spanCount: number }[]): void {
  for (const row of rows) {
    sizes.delete(row.traceId);
    sizes.set(row.traceId, row.spanCount);
  }
  for (const oldest of sizes.keys()) if (sizes.size > MOST) sizes.delete(oldest); else break;
}

export const sizeOf = (traceId: string): number | undefined => sizes.get(traceId);
