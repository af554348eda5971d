/**
 * What a terminal or a log viewer acts on instead of showing it: C0 and C1 controls, DEL, line and paragraph
 * separators, marks and overrides of the direction of text, characters without a width, halves of surrogate pairs.
 */
const CONTROLS =
  // eslint-disable-next-line no-control-regex -- they are what this is about
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Text that somebody else wrote, for a message or a log: on one line, with control characters escaped, and cut. Takes
 * the time of what it returns, not of what it is given.
 *
 * @internal
 * @param text - anything: a name, an annotation, what a server said
 * @param maxLength - how many UTF-16 units of `text` are shown at most
 */
export function printable(text: string, maxLength = 300): string {
  if (text.length <= maxLength) return text.replace(CONTROLS, escaped);
  return `${text.slice(0, maxLength).replace(CONTROLS, escaped)}… (${text.length} characters)`;
}

/** The same for an option that may be anything, in a message that names what it should have been. @internal */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : printable(String(value), 80);
}

/**
 * The same for an entry of a list: text in quotes, a number as it is, of everything else its type.
 *
 * @internal
 */
export function quoted(value: unknown, maxLength = 80): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return `a value of type ${value === null ? 'null' : typeof value}`;
  const text = JSON.stringify(value.slice(0, maxLength)).replace(CONTROLS, escaped);
  return value.length > maxLength ? `${text}… (${value.length} characters)` : text;
}
