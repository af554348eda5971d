/**
 * Characters that a terminal or a log viewer interprets instead of showing them: C0 and C1 controls, DEL, line and
 * paragraph separators, marks that change the direction of text, zero-width characters, unpaired surrogates.
 */
const CONTROLS =
  // eslint-disable-next-line no-control-regex -- the expression is about them
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Makes text of somebody else safe for a message or a log: one line, control characters escaped, length limited. The
 * cost depends on `maxLength`, not on the length of the text.
 *
 * @internal
 * @param text - any text: a name, an annotation, a response of a server
 * @param maxLength - how many UTF-16 code units of `text` to show at most
 */
export function printable(text: string, maxLength = 300): string {
  if (text.length <= maxLength) return text.replace(CONTROLS, escaped);
  return `${text.slice(0, maxLength).replace(CONTROLS, escaped)}… (${text.length} characters)`;
}

/**
 * Formats an option of any type for a message that names the expected type.
 *
 * @internal
 */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : printable(String(value), 80);
}

/**
 * Formats an entry of a list for a message: text in quotes, a number as it is, otherwise the type.
 *
 * @internal
 */
export function quoted(value: unknown, maxLength = 80): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return `a value of type ${value === null ? 'null' : typeof value}`;
  const text = JSON.stringify(value.slice(0, maxLength)).replace(CONTROLS, escaped);
  return value.length > maxLength ? `${text}… (${value.length} characters)` : text;
}
