export const STORED_LINES = 'application/x-ndjson';

/** The stored lines of an answer; null when the answer is something else. A last line that was cut is left out. */
export async function readStoredLines(response: Response): Promise<string[] | null> {
  if (response.status === 204) return [];
  if (!(response.headers.get('content-type') ?? '').startsWith(STORED_LINES)) return null;
  const lines = (await response.text()).split('\n');
  lines.pop();
  return lines.filter((line) => line !== '');
}
