// Shows the API's description. Text only ever becomes text: nothing of the document is run.
'use strict';

function make(name, text, ...inside) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  node.append(...inside);
  return node;
}

function table(head, rows) {
  const line = (cell, texts) => make('tr', '', ...texts.map((text) => make(cell, String(text ?? ''))));
  return make('table', '', line('th', head), ...rows.map((row) => line('td', row)));
}

function named(schema) {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.oneOf || schema.anyOf) return (schema.oneOf || schema.anyOf).map(named).join(' or ');
  if (schema.enum) return schema.enum.join(', ');
  if (schema.type === 'array') return `list of ${named(schema.items)}`;
  return [].concat(schema.type || 'any').join(' or ') + (schema.pattern ? ` ${schema.pattern}` : '');
}

function operation(path, method, spec) {
  const scopes = (spec.security || []).flatMap((one) => Object.values(one).flat()).join(' ');
  const node = make('details', '', make('summary', '', make('b', method.toUpperCase()), make('code', path)));
  node.append(make('p', spec.summary || ''), make('p', spec.description || ''));
  if (scopes) node.append(make('p', '', make('small', `scope ${scopes}`)));
  const parameters = (spec.parameters || []).map((one) => [one.name, one.in, named(one.schema), one.description]);
  if (parameters.length) node.append(table(['parameter', 'in', 'type', ''], parameters));
  const body = spec.requestBody?.content?.['application/json'];
  if (body) node.append(make('p', `body: ${named(body.schema)}`));
  const answers = Object.entries(spec.responses || {}).map(([status, answer]) => {
    const content = Object.values(answer.content || {})[0];
    return [status, answer.description, named(content?.schema)];
  });
  node.append(table(['status', '', 'body'], answers));
  return node;
}

function schema(name, spec) {
  const node = make('details', '', make('summary', '', make('code', name)), make('p', spec.description || ''));
  const needed = new Set(spec.required || []);
  const rows = Object.entries(spec.properties || {}).map(([key, value]) => [
    key, needed.has(key) ? 'required' : '', named(value), value.description,
  ]);
  node.append(rows.length ? table(['name', '', 'type', ''], rows) : make('p', named(spec)));
  return node;
}

async function show() {
  const page = document.getElementById('page');
  const answer = await fetch('/v1/openapi.json');
  const spec = await answer.json();
  page.replaceChildren(make('h1', spec.info.title), make('p', spec.info.description));
  for (const tag of spec.tags || []) {
    page.append(make('h2', tag.name));
    for (const [path, item] of Object.entries(spec.paths)) {
      for (const [method, one] of Object.entries(item)) {
        if ((one.tags || []).includes(tag.name)) page.append(operation(path, method, one));
      }
    }
  }
  page.append(make('h2', 'bodies'));
  for (const [name, one] of Object.entries(spec.components?.schemas || {})) page.append(schema(name, one));
}

show();
