// The API's description for people: openapi.json as headings, tables and types.

import { byId, element, prose, tell } from "./elements.js";

const REFERENCE = "#/components/schemas/";

async function main() {
  const response = await fetch("openapi.json").catch(() => null);
  if (!response?.ok) return tell(byId("error"), "The description cannot be read; is the service up?");
  const description = await response.json();
  tell(byId("summary"), `${description.info.version}. ${description.info.summary ?? ""}`);
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) showOperation(path, method, operation);
  }
  const types = Object.entries(description.components?.schemas ?? {});
  byId("types").append(...types.flatMap(([name, schema]) => typeOf(name, schema)));
  byId("types").hidden = !types.length;
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function showOperation(path, method, operation) {
  const name = `${method.toUpperCase()} ${path}`;
  const id = `${method}${path.replaceAll(/[^\w]+/g, "-")}`;
  byId("contents").append(element("a", { href: `#${id}` }, name));
  const section = element("section", { id, "aria-label": name }, element("h2", {}, element("code", {}, name)));
  section.append(element("p", {}, ...prose(operation.description ?? operation.summary ?? "")));
  if (operation.security) section.append(element("p", { className: "quiet" }, "Needs a key."));
  section.append(...parametersOf(operation), ...bodyOf(operation), ...responsesOf(operation));
  byId("paths").append(section);
}

function parametersOf({ parameters = [] }) {
  const rows = parameters.map((each) => [
    element("code", {}, each.name),
    each.required ? `${each.in}, required` : each.in,
    ...worded(each.schema, each.description),
  ]);
  return tableOf("Options", ["name", "in", "type", "meaning"], rows);
}

function bodyOf({ requestBody }) {
  const rows = Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) => [
    element("code", {}, type),
    ...fieldsOrType(schema),
  ]);
  return tableOf("Body, one of", ["content type", "what"], rows);
}

function responsesOf({ responses = {} }) {
  const rows = Object.entries(responses).map(([status, { description, content = {} }]) => {
    const types = Object.entries(content).map(([type, { schema }]) =>
      element("div", {}, element("code", {}, type), " ", schema ? typed(schema) : ""),
    );
    return [status, description, element("div", {}, ...types)];
  });
  return tableOf("Answers", ["status", "meaning", "body"], rows);
}

function tableOf(title, heads, rows) {
  if (!rows.length) return [];
  const head = element("tr", {}, ...heads.map((each) => element("th", { scope: "col" }, each)));
  const body = rows.map(([first, ...cells]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...cells.map((each) => element("td", {}, each))),
  );
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  return [element("h3", {}, title), element("div", { className: "scroll" }, table)];
}

function typeOf(name, schema) {
  const title = element("h3", { id: `type-${name}` }, element("code", {}, name));
  const rows = Object.entries(schema.properties ?? {}).map(([field, each]) => [
    element("code", {}, field),
    ...worded(each, each.description),
  ]);
  const [, table] = tableOf("", ["field", "type", "meaning"], rows);
  return [title, element("p", {}, ...prose(schema.description ?? "")), ...(table ? [table] : [])];
}

// Words a schema: its type with default and limits, and what it means.
function worded(schema, meaning) {
  const limits = [
    schema.default === undefined ? "" : `default ${JSON.stringify(schema.default)}`,
    schema.minimum === undefined ? "" : `at least ${schema.minimum}`,
    schema.maximum === undefined ? "" : `at most ${schema.maximum}`,
  ].filter(Boolean);
  const text = limits.length ? `, ${limits.join(", ")}` : "";
  return [element("span", {}, typed(schema), text), meaning ?? schema.description ?? ""];
}

function typed(schema) {
  if (!schema) return "anything";
  if (schema.$ref) return reference(schema.$ref);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return joined(options.map(typed));
  if (schema.type === "array") return element("span", {}, "list of ", typed(schema.items));
  if (schema.type === "object" && schema.title) return schema.title;
  const types = [schema.type ?? "anything"].flat().join(" or ");
  return schema.format === "binary" ? "file" : types;
}

const joined = (parts) =>
  element("span", {}, ...parts.flatMap((part, place) => (place ? [" or ", part] : [part])));

function reference(target) {
  const name = target.replace(REFERENCE, "");
  return element("a", { href: `#type-${name}` }, name);
}

function fieldsOrType(schema) {
  const fields = Object.entries(schema.properties ?? {});
  if (!fields.length) return [typed(schema)];
  const lines = fields.map(([name, each]) =>
    element("div", {}, element("code", {}, name), ": ", ...worded(each).flatMap((part) => [part, " "])),
  );
  return [element("div", {}, ...lines)];
}

main();
