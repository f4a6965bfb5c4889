import { PROBLEMS } from '../problem/codes.ts';

interface Operation {
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required: boolean; description?: string }[];
  responses?: Record<string, { description?: string }>;
  requestBody?: unknown;
  'x-scopes'?: string[];
}

/** The document as one page without scripts or outside assets. */
export function docsPage(document: Record<string, unknown>): string {
  const paths = document['paths'] as Record<string, Record<string, Operation>>;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationSection(method, path, operation)),
  );
  const problems = Object.entries(PROBLEMS).map(
    ([code, { status, title }]) =>
      `<tr id="problem-${code}"><td><code>${code}</code></td><td>${status}</td><td>${escaped(title)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Runledger API</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>Runledger API</h1><p>The same as <a href="/openapi.json">/openapi.json</a>, to read.</p>
${operations.join('\n')}
<h2 id="problems">Problems</h2><p>Errors are <code>application/problem+json</code>; <code>code</code> is one of these.</p>
<table><tr><th>code</th><th>status</th><th>title</th></tr>${problems.join('\n')}</table></body></html>\n`;
}

function operationSection(method: string, path: string, operation: Operation): string {
  const parameters = (operation.parameters ?? []).map(
    ({ name, in: place, required, description }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${place}${required ? ', required' : ''}</td><td>${escaped(description ?? '')}</td></tr>`,
  );
  const responses = Object.entries(operation.responses ?? {}).map(
    ([status, response]) =>
      `<tr><td>${status}</td><td colspan="2">${escaped(response.description ?? '')}</td></tr>`,
  );
  const scopes = operation['x-scopes']?.length
    ? `<p>Scope: <code>${operation['x-scopes'].map(escaped).join('</code> or <code>')}</code></p>`
    : '';
  return `<section><h2><code>${method.toUpperCase()} ${escaped(path)}</code></h2><p>${escaped(operation.summary ?? '')}</p>
<p>${escaped(operation.description ?? '')}</p>${scopes}<table>${parameters.join('')}${responses.join('')}</table></section>`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #8884;padding:.25rem .5rem;text-align:left;vertical-align:top}
section{border-top:2px solid #8884;margin-top:1.5rem}h2{font-size:1.05rem}`;
